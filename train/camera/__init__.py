"""The camera, simulated: from display-referred pictures back to what a sensor would have seen, and forward again.

``tone`` curves, ``colours`` (matrix and gains), ``mosaic``, ``unprocess`` (the whole chain both ways), ``noise`` and
``motion`` (hand-held bursts). Everything is numpy on float32, so that data loaders, tests and benchmarks share it. Each
function names its equation, its range and its source:

- Mildenhall et al., Burst Denoising with Kernel Prediction Networks, CVPR 2018, and google/burst-denoising;
- Brooks et al., Unprocessing Images for Learned Raw Denoising, CVPR 2019, and google-research/unprocessing.
"""
