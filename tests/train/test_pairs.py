from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from viewfinder import files, photos
from viewfinder.errors import BadImageError, UsageError
from viewfinder.train import data, pairs
from viewfinder.train.operators import photo_finish


def test_a_store_gives_back_what_was_written(pictures, tmp_path):
    """Pictures of different sizes come back as 8 bits, targets as half floats."""
    made = [(np.rint(p * 255).astype(np.uint8), photo_finish.apply(p)) for p in pictures]
    store = pairs.write(iter(made), tmp_path / "store")
    assert len(store) == len(made)
    for number, (image, target) in enumerate(made):
        assert np.array_equal(store[number].image, image)
        assert np.array_equal(store[number].target, target.astype(np.float16))


def test_a_store_is_all_or_nothing(pictures, tmp_path):
    """An operator that fails half way leaves no folder."""

    def failing():
        """Yield one pair, then fail."""
        yield np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.float32)
        raise UsageError("half way")

    with pytest.raises(UsageError, match="half way"):
        pairs.write(failing(), tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_variants_are_the_same_every_time(photo_folder):
    """The seed and the photograph decide the variants; the first one is the photograph itself."""
    photo = photo_folder / "0.png"
    first, again, other = (list(pairs.variants(photo, 3, seed)) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert np.array_equal(first[0], photos.read(photo).pixels)
    assert not np.array_equal(first[1], other[1])
    assert not np.array_equal(first[1], first[2])


def test_large_photographs_become_crops_of_the_sizes_that_suit_the_operators(pictures, tmp_path):
    """Every view of a large photograph has a short side for which a pyramid ends at the same relative scale."""
    big = np.tile(np.rint(pictures[0] * 255).astype(np.uint8), (10, 10, 1))
    Image.fromarray(big).save(tmp_path / "big.png")
    views = list(pairs.variants(tmp_path / "big.png", 1, 0))
    low, high = pairs.SHORT_SIDES
    assert len(views) == pairs.VIEWS_PER_LARGE_PHOTO
    assert all(low - 1 <= min(view.shape[:2]) <= high + 1 for view in views)
    assert len({view.shape for view in views}) > 1


@pytest.mark.parametrize("side", [401, 512, 640])
def test_photographs_of_middle_size_are_resized_whole(pictures, tmp_path, side):
    """A photograph of CID22's size comes in three sizes and keeps its shape."""
    picture = np.rint(photos.resize(pictures[0], (side, side + 60)).clip(0, 1) * 255).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "middle.png")
    views = list(pairs.variants(tmp_path / "middle.png", 1, 0))
    assert len(views) == pairs.VIEWS_PER_PHOTO
    assert all(abs(view.shape[1] / view.shape[0] - (side + 60) / side) < 0.01 for view in views)
    assert min(min(view.shape[:2]) for view in views) >= pairs.SHORT_SIDES[0] - 1


def test_the_validation_split_follows_content(photo_folder, monkeypatch, tmp_path):
    """A copy under another name is on the same side; both sides have at least one photograph."""
    found = photos.find([photo_folder])
    training, validation = pairs.split(found)
    assert sorted(training + validation) == found
    assert training
    assert validation
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for number, photo in enumerate(reversed(found)):
        shutil.copy(photo, renamed / f"a{number}.png")
    _, again = pairs.split(photos.find([renamed]))
    assert {files.sha256(p) for p in again} == {files.sha256(p) for p in validation}


def test_about_one_photograph_in_twenty_is_kept(tmp_path):
    """The share of validation photographs is near what the constant says."""
    kept = 0
    for number in range(400):
        file = tmp_path / f"{number}.bin"
        file.write_bytes(bytes([number % 256, number // 256]))
        kept += pairs.is_validation(file)
    assert 8 <= kept <= 36


def test_one_photograph_is_too_few(photo_folder):
    """Nothing would be left to check with."""
    with pytest.raises(UsageError, match="give at least two"):
        pairs.split([photo_folder / "0.png"])


class TestPartners:
    @pytest.fixture
    def folders(self, photo_folder, tmp_path):
        """Inputs, and targets of the same names with another suffix."""
        targets = tmp_path / "targets"
        targets.mkdir()
        for photo in photos.find([photo_folder]):
            Image.open(photo).save(targets / f"{photo.stem}.bmp")
        return photo_folder, targets

    def test_pictures_are_matched_by_stem(self, folders):
        """0.png belongs to 0.bmp, and their pixels arrive together."""
        matched = pairs.partners(*folders)
        assert [(a.name, b.name) for a, b in matched] == [(f"{n}.png", f"{n}.bmp") for n in range(4)]
        image, target = next(pairs.read_pairs(matched))
        assert np.abs(image / 255 - target).max() < 1e-6

    @pytest.mark.parametrize("side", [0, 1])
    def test_a_lonely_picture_is_named(self, folders, side):
        """A picture without partner is an error on either side."""
        lonely = photos.find([folders[side]])[2]
        photos.find([folders[1 - side]])[2].unlink()
        with pytest.raises(UsageError, match=rf"{lonely.name} has no partner in .*{folders[1 - side].name}"):
            pairs.partners(*folders)

    def test_two_pictures_of_one_name_are_refused(self, folders):
        """Nobody can tell which of them is meant."""
        shutil.copy(folders[0] / "0.png", folders[0] / "0.jpg")
        with pytest.raises(UsageError, match="have one name"):
            pairs.partners(*folders)

    def test_different_sizes_are_refused(self, folders):
        """Both sizes are in the message."""
        image = Image.open(folders[1] / "1.bmp")
        image.crop((0, 0, 10, 9)).save(folders[1] / "1.bmp")
        size = f"{image.width}x{image.height}"
        with pytest.raises(UsageError, match=rf"1.png is {size} but .*1.bmp is 10x9"):
            list(pairs.read_pairs(pairs.partners(*folders)))

    def test_a_damaged_picture_is_named(self, folders):
        """A file that is no picture stops the reading with its name."""
        (folders[0] / "3.png").write_bytes(b"no picture")
        with pytest.raises(BadImageError, match=r"3\.png"):
            list(pairs.read_pairs(pairs.partners(*folders)))


class TestCache:
    def test_the_second_time_nothing_is_made(self, photo_folder, monkeypatch):
        """The store is opened again; the operator does not run."""
        first = data.from_photos([photo_folder], "photo-finish", 2, 0)
        monkeypatch.setattr(pairs, "write", None)
        again = data.from_photos([photo_folder], "photo-finish", 2, 0)
        assert again.record == first.record
        assert np.array_equal(again.training[1].target, first.training[1].target)
        assert len(first.training) == 2 * first.record["training_photographs"]

    @pytest.mark.parametrize("changed", ["operator", "variants", "seed", "photo"])
    def test_what_changed_is_made_again(self, photo_folder, changed):
        """Another operator, number, seed or photograph is another store."""
        settings = {"operator": "photo-finish", "variants": 1, "seed": 0}
        first = data.from_photos([photo_folder], **settings)
        if changed == "photo":
            (photo_folder / first.record["validation_photographs"][0]).unlink()
        else:
            settings[changed] = {"operator": "local-laplacian", "variants": 2, "seed": 1}[changed]
        assert data.from_photos([photo_folder], **settings).record["pairs_key"] != first.record["pairs_key"]

    def test_folders_make_a_store_too(self, photo_folder):
        """Inputs that are their own targets: the identity."""
        found = data.from_folders(photo_folder, photo_folder)
        pair = found.training[0]
        assert len(found.training) + len(found.validation) == 4
        assert np.abs(pair.image / 255 - pair.target.astype(np.float32)).max() < 1e-3
