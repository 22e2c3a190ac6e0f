"""What a person is about to pay for, and what vouchers hold for it, up to the moment of paying."""
