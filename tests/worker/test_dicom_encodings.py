"""The same voxels, however the pixel data are encoded: byte orders, compressions, fragments, signs and bit depths."""

from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from service.contracts.input_errors import CorruptImage, UnsupportedTransferSyntax
from tests.fixtures.multi_frame import write_kind
from tests.fixtures.small_studies import T1_HEADER, small_volume
from worker.dicom_index import index_folder
from worker.dicom_pixels import has_decoder
from worker.dicom_reader import read_series

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
COMPRESSED = [RLELossless, JPEGLSLossless, JPEG2000Lossless]
KINDS = ("classic", "enhanced")


@pytest.fixture(params=KINDS)
def files(request, tmp_path) -> list[Path]:
    return write_kind(request.param, small_volume(), tmp_path / "series", header=T1_HEADER)


def read_voxels(files: list[Path]) -> np.ndarray:
    (series,) = index_folder(files[0].parent).series
    return read_series(series).array


def encode(path: Path, syntax: UID, *, bare: bool = False) -> None:
    """Rewrites a file in a native transfer syntax; bare: without preamble and file header."""
    image = pydicom.dcmread(path)
    options = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    if not syntax.is_little_endian:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
    whole = pydicom.Dataset()
    for element in image:  # each converted: raw elements keep their old byte order
        whole.add(element)
    if bare:
        pydicom.dcmwrite(path, whole, **options)
        return
    whole.file_meta = image.file_meta
    whole.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, whole, enforce_file_format=True)


@pytest.mark.parametrize("syntax", [*NATIVE, DeflatedExplicitVRLittleEndian], ids=lambda uid: uid.name)
def test_every_byte_order_and_vr_encoding(files, syntax):
    for path in files:
        encode(path, syntax)
    assert pydicom.dcmread(files[0]).file_meta.TransferSyntaxUID == syntax
    assert (read_voxels(files) == small_volume().array).all()


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda uid: uid.name)
def test_data_sets_without_preamble_and_file_header(files, syntax):
    for path in files:
        encode(path, syntax, bare=True)
        assert path.read_bytes()[:2] == (b"\x08\x00" if syntax.is_little_endian else b"\x00\x08")
    assert (read_voxels(files) == small_volume().array).all()


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda uid: uid.name)
def test_every_compression(files, syntax):
    for path in files:
        image = pydicom.dcmread(path)
        image.compress(syntax, generate_instance_uid=False)
        image.save_as(path)
    assert (read_voxels(files) == small_volume().array).all()


def jpeg_lossless(path: Path) -> None:
    """Rewrites a file in JPEG Lossless, process 14, selection value 1."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def test_jpeg_lossless(files):
    for path in files:
        jpeg_lossless(path)
    assert pydicom.dcmread(files[0]).file_meta.TransferSyntaxUID == JPEGLosslessSV1
    assert (read_voxels(files) == small_volume().array).all()


@pytest.mark.parametrize("with_table", [True, False], ids=["offset table", "no offset table"])
@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, JPEGLosslessSV1], ids=lambda uid: uid.name)
def test_frames_in_several_fragments(files, syntax, with_table):
    for path in files:
        if syntax == JPEGLosslessSV1:
            jpeg_lossless(path)
        image = pydicom.dcmread(path)
        if syntax != JPEGLosslessSV1:
            image.compress(syntax, generate_instance_uid=False)
        in_parts(image, with_table=with_table)
        image.save_as(path)
    assert (read_voxels(files) == small_volume().array).all()


def in_parts(image: FileDataset, *, with_table: bool) -> None:
    """Every frame in three fragments."""
    frames = list(generate_frames(image.PixelData, number_of_frames=int(image.get("NumberOfFrames", 1))))
    image.PixelData = encapsulate(frames, fragments_per_frame=3, has_bot=with_table)


def test_a_compressed_object_with_a_frame_too_few_is_refused(tmp_path):
    (path,) = write_kind("enhanced", small_volume(), tmp_path, header=T1_HEADER)
    image = pydicom.dcmread(path)
    image.compress(RLELossless, generate_instance_uid=False)
    image.PixelData = encapsulate(list(generate_frames(image.PixelData, number_of_frames=14))[:13])
    image.save_as(path)
    with pytest.raises(CorruptImage):
        read_voxels([path])


def test_a_compression_that_is_not_the_claimed_one_is_refused(tmp_path):
    (path,) = write_kind("enhanced", small_volume(), tmp_path, header=T1_HEADER)
    image = pydicom.dcmread(path)
    image.compress(JPEG2000Lossless, generate_instance_uid=False)
    image.file_meta.TransferSyntaxUID = JPEGLSLossless
    image.save_as(path)
    with pytest.raises(CorruptImage, match="damaged, or not the compression they claim"):
        read_voxels([path])


def test_video_is_refused_by_name(tmp_path):
    (path,) = write_kind("enhanced", small_volume(), tmp_path, header=T1_HEADER)
    image = pydicom.dcmread(path)
    image.compress(RLELossless, generate_instance_uid=False)
    image.file_meta.TransferSyntaxUID = pydicom.uid.MPEG4HP41
    image.save_as(path)
    with pytest.raises(UnsupportedTransferSyntax):
        read_voxels([path])


def test_signed_values(files):
    for path in files:
        image = pydicom.dcmread(path)
        values = np.frombuffer(image.PixelData, "<u2").astype(np.int16) - 1500
        image.PixelData = values.astype("<i2").tobytes()
        image.PixelRepresentation, image.BitsStored, image.HighBit = 1, 16, 15
        image.save_as(path)
    assert (read_voxels(files) == small_volume().array - 1500).all()


def test_eight_bit_values(files):
    for path in files:
        image = pydicom.dcmread(path)
        values = np.frombuffer(image.PixelData, "<u2") // 16
        image.PixelData = values.astype(np.uint8).tobytes()
        image["PixelData"].VR = "OB"
        image.BitsAllocated = image.BitsStored = 8
        image.HighBit = 7
        image.save_as(path)
    assert (read_voxels(files) == small_volume().array // 16).all()


READ = {
    "Implicit VR Little Endian",
    "Explicit VR Little Endian",
    "Deflated Explicit VR Little Endian",
    "Explicit VR Big Endian",
    "JPEG Baseline (Process 1)",
    "JPEG Extended (Process 2 and 4)",
    "JPEG Lossless, Non-Hierarchical (Process 14)",
    "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
    "JPEG-LS Lossless Image Compression",
    "JPEG-LS Lossy (Near-Lossless) Image Compression",
    "JPEG 2000 Image Compression (Lossless Only)",
    "JPEG 2000 Image Compression",
    "High-Throughput JPEG 2000 Image Compression (Lossless Only)",
    "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
    "High-Throughput JPEG 2000 Image Compression",
    "RLE Lossless",
}


def test_the_decoders_of_the_conformance_table_are_installed():
    """`docs/conformance-input.md` lists them."""
    assert {syntax.name for syntax in AllTransferSyntaxes if has_decoder(syntax)} == READ
