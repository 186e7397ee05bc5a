"""Files on disks, object stores and the web, read and written safely."""
