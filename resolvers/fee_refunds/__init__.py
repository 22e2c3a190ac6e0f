"""Giving fees back: of each line what a card had paid first, then what vouchers and promotions had."""
