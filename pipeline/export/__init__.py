"""What other trainers read: rules of their models, plans for clips, and one small description per trainer."""
