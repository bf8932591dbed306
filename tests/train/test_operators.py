from __future__ import annotations

import numpy as np
import pytest

from viewfinder import demo, photos
from viewfinder.errors import UsageError
from viewfinder.train import operators
from viewfinder.train.operators import laplacian, local_laplacian, local_laplacian_strong, pyramid
from viewfinder.train.scores import psnr_db


@pytest.fixture(scope="module")
def crop():
    """A 40x48 crop with edges and texture from a photograph at a third of its size."""
    image = photos.read(demo.photos()[0]).display()
    small = photos.resize(image, (image.shape[0] // 3, image.shape[1] // 3))
    middle = [size // 2 for size in small.shape[:2]]
    return np.ascontiguousarray(small[middle[0] - 20 : middle[0] + 20, middle[1] - 24 : middle[1] + 24])


def exact_local_laplacian(image, remap, band):
    """Filter luma as the paper defines it: per coefficient, remap the whole picture around its own Gaussian value."""
    gaussian = [image]
    for _ in range(band.end):
        gaussian.append(pyramid.downsample(gaussian[-1]))
    output = gaussian[-1]
    for index in reversed(range(band.end)):
        details = gaussian[index] - pyramid.upsample(gaussian[index + 1], gaussian[index].shape)
        for y, x in np.ndindex(details.shape if index >= band.finest else (0, 0)):
            level = remap(image, float(gaussian[index][y, x]))
            for _ in range(index):
                level = pyramid.downsample(level)
            details[y, x] = (level - pyramid.upsample(pyramid.downsample(level), level.shape))[y, x]
        output = pyramid.upsample(output, details.shape) + details
    return output


@pytest.mark.parametrize("operator", [local_laplacian, local_laplacian_strong])
def test_the_fast_filter_is_the_exact_one(crop, operator):
    """With 128 intensities the fast filter is the exact one within 50 dB.

    The 10 in use are coarser than the noise level of the remapping, which costs up to 20 dB of that.
    """
    luma = np.ascontiguousarray(pyramid.luma(crop)[4:36, 8:40])
    band = getattr(operator, "BAND", laplacian.Band(0, laplacian.pyramid_depth(*luma.shape)))
    exact = exact_local_laplacian(luma, operator.REMAP, band)
    assert np.abs(exact - luma).max() > 0.02
    for intensities, least_db in ((128, 50), (10, 30)):
        found = laplacian.filter_luma(luma, operator.REMAP, intensities, band)
        assert psnr_db(found, exact) > least_db


def test_a_neutral_remap_changes_nothing(crop):
    """With exponent 1 every difference is itself, and the pyramid is put together as it was taken apart."""
    luma = pyramid.luma(crop)
    found = laplacian.filter_luma(luma, laplacian.Remap(sigma=0.3, alpha=1.0))
    assert np.abs(found - luma).max() < 1e-5


def test_the_remap_keeps_edges_and_boosts_details():
    """Beyond sigma nothing moves, within it differences grow, below the noise level they stay."""
    remap = laplacian.Remap(sigma=0.2, alpha=0.5)
    found = remap(np.array([0.9, 0.45, 0.405, 0.35], np.float32), 0.4)
    assert found == pytest.approx([0.9, 0.4 + 0.2 * 0.5, 0.405, 0.4 - 0.2 * 0.5], abs=1e-6)


@pytest.mark.parametrize(
    ("long_side", "finest"), [(48, 3), (481, 3), (800, 3), (801, 4), (1600, 4), (4032, 6), (6028, 6)]
)
def test_the_strong_operators_band_grows_with_large_pictures(long_side, finest):
    """It stays as it is up to 800 pixels and moves one level up for every doubling above; height or width alike."""
    for size in ((long_side, long_side // 2), (long_side // 2, long_side)):
        band = local_laplacian_strong.band(*size)
        assert (band.finest, band.end - band.finest) == (finest, 3)


def test_the_strong_operator_leaves_the_finest_octaves():
    """Texture of two pixels keeps its contrast in the strong operator and gains in the plain one."""
    luma = np.full((64, 64), 0.5, np.float32) + 0.05 * (np.indices((64, 64)).sum(0) % 2 * 2 - 1)
    picture = np.repeat(luma[..., None].astype(np.float32), 3, 2)

    def contrast(name):
        """Standard deviation inside, away from the border."""
        return operators.load(name)(picture)[16:-16, 16:-16].std()

    assert contrast("local-laplacian-strong") == pytest.approx(picture.std(), rel=0.1)
    assert contrast("local-laplacian") > 1.5 * picture.std()


@pytest.mark.parametrize("name", operators.names())
def test_operators_keep_shape_and_range(pictures, name):
    """Every operator returns a picture of the same size with values in 0..1, and changes it visibly."""
    for picture in pictures[:2]:
        result = operators.load(name)(picture)
        assert result.shape == picture.shape
        assert result.dtype == np.float32
        assert result.min() >= 0
        assert result.max() <= 1
        assert np.abs(result - picture).mean() > 0.01


@pytest.mark.parametrize("name", operators.names())
@pytest.mark.parametrize("tone", [0.0, 1.0])
def test_black_and_white_stay(name, tone):
    """A flat black or white picture passes every operator unchanged."""
    flat = np.full((40, 56, 3), tone, np.float32)
    assert np.abs(operators.load(name)(flat) - flat).max() < 1e-5


def test_the_photo_finish_is_monotone_in_grey():
    """A brighter flat grey never comes out darker, and shadows are lifted."""
    greys = np.linspace(0, 1, 33, dtype=np.float32)
    found = [float(operators.load("photo-finish")(np.full((24, 24, 3), g, np.float32)).mean()) for g in greys]
    assert (np.diff(found) > 0).all()
    assert found[4] > greys[4]


def test_the_photo_finish_keeps_grey_grey():
    """A picture without colour gets none."""
    ramp = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None].repeat(48, 0), 3, 2)
    assert np.ptp(operators.load("photo-finish")(ramp), axis=2).max() < 1e-5


def test_the_guided_filter_equals_its_definition(crop):
    """The box-filter form equals the per-window regression of the paper, computed window by window."""
    luma, radius, epsilon = pyramid.luma(crop), 3, 0.01
    padded = np.pad(luma, radius, mode="edge")
    slope, offset = np.empty_like(luma), np.empty_like(luma)
    for y, x in np.ndindex(luma.shape):
        window = padded[y : y + 2 * radius + 1, x : x + 2 * radius + 1]
        slope[y, x] = window.var() / (window.var() + epsilon)
        offset[y, x] = (1 - slope[y, x]) * window.mean()
    expected = np.empty_like(luma)
    slopes, offsets = np.pad(slope, radius, mode="edge"), np.pad(offset, radius, mode="edge")
    for y, x in np.ndindex(luma.shape):
        rows, columns = slice(y, y + 2 * radius + 1), slice(x, x + 2 * radius + 1)
        expected[y, x] = slopes[rows, columns].mean() * luma[y, x] + offsets[rows, columns].mean()
    assert np.abs(pyramid.guided_base(luma, radius, epsilon) - expected).max() < 1e-4


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 8)])
def test_the_pyramid_takes_any_size(size):
    """Halving rounds up and keeps a flat picture flat, down to one pixel."""
    small = pyramid.downsample(np.full(size, 0.25, np.float32))
    assert small.shape == tuple((side + 1) // 2 for side in size)
    assert np.allclose(small, 0.25)
    assert np.allclose(pyramid.upsample(small, size), 0.25)


class TestLoading:
    def test_shared_files_are_no_operators(self):
        """The names are exactly the operators."""
        assert operators.names() == ["local-laplacian", "local-laplacian-strong", "photo-finish"]

    def test_an_unknown_name_lists_the_known(self):
        """The hint names what there is, and how to bring one's own."""
        with pytest.raises(UsageError, match=r"no operator is called 'blur'\nuse one of local-laplacian, .*file.py"):
            operators.load("blur")

    def test_a_users_file_works(self, tmp_path):
        """A file with apply() is an operator, and its digest follows its text."""
        file = tmp_path / "invert.py"
        file.write_text("def apply(image):\n    return 1 - image\n")
        assert operators.load(str(file))(np.zeros((2, 2, 3), np.float32)).min() == 1
        before = operators.digest(str(file))
        file.write_text("def apply(image):\n    return 1 - image ** 2\n")
        assert operators.digest(str(file)) != before

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x = 1", "has no function apply"),
            ("import nothing_of_this_name", "ModuleNotFoundError"),
            ("def apply(image):\n    return image[:1]", r"made the shape \(1, 4, 3\)"),
            ("def apply(image):\n    return image * float('nan')", "values that are not finite"),
        ],
    )
    def test_broken_files_are_explained(self, tmp_path, text, message):
        """What is wrong with a user's operator is said in one sentence."""
        file = tmp_path / "broken.py"
        file.write_text(text)
        with pytest.raises(UsageError, match=message):
            operators.load(str(file))(np.zeros((4, 4, 3), np.float32))

    def test_a_missing_file_is_named(self):
        """A path that does not exist is in the message."""
        with pytest.raises(UsageError, match=r"there is no file nowhere/mine\.py"):
            operators.load("nowhere/mine.py")
