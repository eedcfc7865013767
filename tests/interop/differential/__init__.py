"""The same octets for wireline and for parsers of others, and what each makes of them."""
