"""REST: the endpoints as data, what surrounds them, and the document made from them."""
