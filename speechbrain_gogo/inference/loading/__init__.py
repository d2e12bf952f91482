"""Finding, checking and loading pretrained models; exporting them."""
