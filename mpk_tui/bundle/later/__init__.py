"""What happens to a bundle after it is signed: endorsements, redaction, attachments, later bundles, single tensors."""
