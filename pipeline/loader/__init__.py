"""The training loader: global steps in a fixed order, resumed by arithmetic."""
