"""Makes the DICOM files beside this script with pydicom and SimpleITK: small, sound, each another form.

    python make.py

They are what the hostile tests start from. Nobody's scan is in them.
"""
import os
import struct

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian,
                         ImplicitVRLittleEndian, RLELossless)

HERE = os.path.dirname(os.path.abspath(__file__))
CT, MR, ENHANCED, SEG, CAPTURE = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4",
                                  "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.66.4",
                                  "1.2.840.10008.5.1.4.1.1.7")
ROWS, COLUMNS = 9, 11


def image(frames=1, scale=37):
    index = np.arange(frames * ROWS * COLUMNS).reshape(frames, ROWS, COLUMNS)
    return (index * scale % 1000).astype(np.uint16)


def data(sop_class, modality, bits=16):
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, "2.25.1"
    ds.Modality, ds.SeriesInstanceUID, ds.SeriesNumber, ds.InstanceNumber = modality, "2.25.2", 3, 1
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-5, 7.5, 3], [1, 0, 0, 0, 0.8, 0.6]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns, ds.PixelSpacing, ds.SliceThickness = ROWS, COLUMNS, [0.5, 0.75], 2
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    return ds


def save(name, ds, syntax=ExplicitVRLittleEndian):
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(os.path.join(HERE, name), enforce_file_format=True,
               implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian)


def ct():
    ds = data(CT, "CT")
    ds.RescaleIntercept, ds.RescaleSlope, ds.WindowCenter, ds.WindowWidth = -1024, 1, [40, -600], [400, 1500]
    ds.PixelPaddingValue = 0
    ds.PixelData = image().tobytes()
    return ds


def item(**values):
    ds = Dataset()
    for name, value in values.items():
        setattr(ds, name, value)
    return ds


def groups(ds, frames, extra=lambda k: {}):
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(ds, name)
    ds.NumberOfFrames = frames
    ds.SharedFunctionalGroupsSequence = Sequence([item(
        PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])]),
        PixelMeasuresSequence=Sequence([item(PixelSpacing=[2, 1.5], SliceThickness=3, SpacingBetweenSlices=3)]))])
    ds.PerFrameFunctionalGroupsSequence = Sequence([item(
        PlanePositionSequence=Sequence([item(ImagePositionPatient=[3.0 * k, 0, 0])]), **extra(k))
        for k in range(frames)])


def main():
    save("ct-explicit.dcm", ct())
    save("ct-implicit.dcm", ct(), ImplicitVRLittleEndian)
    save("ct-deflated.dcm", ct(), DeflatedExplicitVRLittleEndian)
    big = ct()
    big.PixelData = image().astype(">u2").tobytes()
    save("ct-big-endian.dcm", big, ExplicitVRBigEndian)
    rle = ct()
    rle.file_meta = FileMetaDataset()
    rle.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    rle.compress(RLELossless, image()[0], generate_instance_uid=False)
    save("ct-rle.dcm", rle, RLELossless)

    enhanced = data(ENHANCED, "MR")
    groups(enhanced, 4, lambda k: {
        "PixelValueTransformationSequence": Sequence([item(RescaleIntercept=0, RescaleSlope=0.5 + k, RescaleType="US")]),
        "FrameContentSequence": Sequence([item(StackID="1", InStackPositionNumber=k + 1)]),
        "MREchoSequence": Sequence([item(EffectiveEchoTime=4.5)])})
    enhanced.PixelData = image(4).tobytes()
    save("mr-enhanced.dcm", enhanced)

    mask = data(SEG, "SEG", 1)
    groups(mask, 3, lambda k: {"SegmentIdentificationSequence": Sequence([item(ReferencedSegmentNumber=1 + k // 2)])})
    mask.SegmentationType = "BINARY"
    mask.SegmentSequence = Sequence([item(SegmentNumber=n, SegmentLabel=label) for n, label in ((1, "liver"), (2, "tumour"))])
    bits = np.packbits((image(3) > 500).astype(np.uint8).ravel(), bitorder="little").tobytes()
    mask.PixelData = bits + b"\0" * (len(bits) % 2)
    save("seg.dcm", mask)

    colour = data(CAPTURE, "OT", 8)
    colour.SamplesPerPixel, colour.PhotometricInterpretation, colour.PlanarConfiguration = 3, "RGB", 1
    colour.PixelData = (image(3) % 256).astype(np.uint8).tobytes() + b"\0"
    save("rgb-planar.dcm", colour)

    painted = data(CAPTURE, "US", 8)
    painted.PhotometricInterpretation = "PALETTE COLOR"
    for k, name in enumerate(("Red", "Green", "Blue")):
        setattr(painted, name + "PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(painted, name + "PaletteColorLookupTableData", (np.arange(256) * (k + 1) % 256 * 257).astype("<u2").tobytes())
    painted.PixelData = (image() % 256).astype(np.uint8).tobytes() + b"\0"
    save("palette.dcm", painted)

    table = data(CAPTURE, "OT")
    table.ModalityLUTSequence = Sequence([item(LUTDescriptor=[64, 100, 16], ModalityLUTType="US",
                                               LUTData=np.square(np.arange(64)).astype("<u2").tobytes())])
    table.PixelData = image().tobytes()
    save("modality-lut.dcm", table)

    mosaic = data(MR, "MR")
    mosaic.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    mosaic.Manufacturer, mosaic.Rows, mosaic.Columns, mosaic.SpacingBetweenSlices = "SIEMENS", 6, 8, 2.5
    mosaic.PixelData = (np.arange(48) * 21).astype("<u2").tobytes()
    csa = b"SV10\x04\x03\x02\x01" + struct.pack("<II", 2, 77)
    for name, values in (("NumberOfImagesInMosaic", ["3"]), ("SliceNormalVector", ["0.0", "-0.6", "0.8"])):
        csa += name.encode().ljust(64, b"\0") + struct.pack("<I4sIII", len(values), b"US\0\0", 6, len(values), 77)
        for value in values:
            text = value.encode()
            csa += struct.pack("<IIII", len(text), len(text), 77, len(text)) + text.ljust(-(-len(text) // 4) * 4, b"\0")
    mosaic.add_new(0x00290010, "LO", "SIEMENS CSA HEADER")
    mosaic.add_new(0x00291010, "OB", csa)
    save("mosaic.dcm", mosaic)

    for name, compressor in (("ct-jpeg-lossless.dcm", "JPEG"), ("ct-jpeg2000.dcm", "JPEG2000")):
        writer = sitk.ImageFileWriter()
        writer.SetUseCompression(True)
        writer.SetCompressor(compressor)
        writer.KeepOriginalImageUIDOn()
        written = sitk.GetImageFromArray(image().astype(np.int16) - 300)
        for tag, value in (("0008|0060", "CT"), ("0020|000e", "2.25.2"), ("0008|0018", "2.25.1"), ("0020|0013", "1"),
                           ("0020|0032", "0\\0\\0"), ("0020|0037", "1\\0\\0\\0\\1\\0")):
            written.SetMetaData(tag, value)
        writer.SetFileName(os.path.join(HERE, name))
        writer.Execute(written)


main()
