"""Mail: how letters are worded, and the SMTP server that takes them."""
