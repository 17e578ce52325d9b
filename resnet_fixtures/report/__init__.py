"""Write results where people and their scripts look for them."""
