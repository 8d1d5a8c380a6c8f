"""Where orders come from: shop databases, read and never written."""
