"""Clouds: which part of a sky they are, and how much of the sky around them goes along with them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..pixels.fits import mean_within
from ..pixels.masks import Parts, closed, grown, shrunk, square
from ..pixels.sizes import work_size
from .rest import AIR_REACH_SHARE

Array = NDArray[Any]

WORK_SIDE_PX = 320
SKY = 0.5  # a map above this is sky
CLOUD_CONTRAST = 0.03  # colour difference (Lab / 100) from the surroundings that shows a cloud
SLIT_PX = 3  # half the width of gaps in clouds that are clouds, at the reduced size
MOSTLY_CLOUDS = 0.5  # of the sky: from here on all of it drifts
LEAST_CLOUD_SHARE = 0.02  # of the picture
SHARP = 0.1  # of Lab / 100, from one pixel to the next: no cloud beyond the rim of those that are known
RIM_PX = 6


def find_clouds(rgb: Array, sky: Array) -> Array:
    """The part of the sky that shows clouds: soft structure. All of it where they prevail, none of a clear sky.

    The sun's disc and its glow are structure too, and stay.
    """
    height, width = sky.shape
    lab, open_sky = _open_sky(rgb, sky)
    if open_sky.sum() < 16:
        return np.zeros_like(sky)

    def blur(value: Array, sigma: float) -> Array:
        return mean_within(value, open_sky.astype(np.float32), sigma, floor=1e-3)

    structure = (np.linalg.norm(blur(lab, 1.0) - blur(lab, 8.0), axis=-1) > CLOUD_CONTRAST) & open_sky
    # an unsharp skyline is structure too, but the land's
    structure &= ndimage.binary_erosion(open_sky, iterations=5, border_value=1)
    if structure.sum() > MOSTLY_CLOUDS * open_sky.sum():
        clouds = open_sky
    else:
        core = (blur(structure.astype(np.float32), 3.0) > 0.5) & open_sky
        labels, _ = ndimage.label(core)
        core &= (np.bincount(labels.ravel()) > LEAST_CLOUD_SHARE * core.size)[labels]
        near = ndimage.binary_dilation(core, iterations=8) & open_sky
        if (open_sky & ~near).sum() > 0.1 * open_sky.sum():
            near &= _off_gradient(lab, open_sky & ~near, open_sky) > 2 * CLOUD_CONTRAST
        # A cloud is somewhere as blue as the sky: along that line it would be slit.
        clouds = ndimage.binary_fill_holes(closed(near, SLIT_PX)) & open_sky
    return sky & (cv2.resize(clouds.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5)


def sky_around(rgb: Array, sky: Array, clouds: Array) -> Array:
    """The sky around the ``clouds`` that drifts along, unseen, so that nothing is torn at their edges: bool ``[H, W]``, all of
    it where they and it prevail. Not the sun, nor what in it has edges too sharp for a cloud (a chimney, a bird, the trail of
    a plane). ``sky`` float32 ``[H, W]``, 0..1; ``clouds`` bool ``[H, W]``."""
    lab, open_sky = _open_sky(rgb, sky > SKY)
    height, width = clouds.shape
    drifting = cv2.resize(clouds.astype(np.uint8), lab.shape[1::-1], interpolation=cv2.INTER_AREA) > 0
    around = grown(drifting, round(AIR_REACH_SHARE * WORK_SIDE_PX)) & open_sky
    if around.sum() > MOSTLY_CLOUDS * open_sky.sum():
        around = open_sky
    clear = open_sky & ~grown(drifting, RIM_PX)
    if clear.any():
        sharp = (cv2.morphologyEx(lab, cv2.MORPH_GRADIENT, square(1)).max(axis=-1) > SHARP) & clear
        things = Parts.of(sharp | (_off_gradient(lab, clear, clear) > 2 * CLOUD_CONTRAST))
        around = around & ~grown(things.joined(things.touched(sharp)), 1)
    return (sky > SKY) & (cv2.resize(around.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5)


def _open_sky(rgb: Array, sky: Array) -> tuple[Array, Array]:
    """The picture reduced, Lab / 100, and where in it the ``sky`` bool ``[H, W]`` is, without its rim and the sun."""
    _, size = work_size(sky.shape[0], sky.shape[1], WORK_SIDE_PX)
    lab = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB) / 100
    inside = shrunk(cv2.resize(sky.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0, 1)
    return lab, inside & ~_sun(lab[..., 0])


def _off_gradient(lab: Array, clear: Array, wanted: Array) -> Array:
    """How far the colours ``wanted`` are from the even gradient that fits the ``clear`` sky."""
    y, x = np.indices(clear.shape) / max(clear.shape)
    powers = np.stack([np.ones_like(x), x, y], axis=-1)
    fit = np.linalg.lstsq(powers[clear], lab[clear].astype(np.float64), rcond=None)[0]
    return np.where(wanted, np.linalg.norm(lab - powers @ fit, axis=-1), 0)


def _sun(light: Array) -> Array:
    """Round blobs of the brightest white, and four times their radius around them."""
    found = np.zeros(light.shape, np.uint8)
    labels, _ = ndimage.label(light > 0.97)
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        rows, cols = np.nonzero(labels[box] == k)
        radius = max(np.ptp(rows), np.ptp(cols)) / 2 + 0.5
        if radius >= 2 and len(rows) > 0.7 * np.pi * radius**2:
            centre = (round(cols.mean() + box[1].start), round(rows.mean() + box[0].start))
            cv2.circle(found, centre, int(4 * radius), 1, -1)
    return found > 0
