"""Trainers for nnU-Net, and nothing else: nnU-Net imports every module of this folder, as a module of the top level."""
