"""Reading audio: whole files, pieces of long ones, clips of manifests."""
