"""Pixel values of real pictures: Lowland's against transformers' Pillow-based processors, and Lowland's speed beside Pillow's.

Usage: python check_images.py IMAGE_PIXELS FOLDER_OF_PICTURES [--files N]

IMAGE_PIXELS: build/bin/image_pixels. Every JPEG and PNG below the folder, or N of them, through CLIP at 336 and 224, padded to
a square (LLaVA) and ViT at 224. Prints the largest difference of each; exit status 1 above 1e-5.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image, ImageOps
from transformers.image_transforms import convert_to_rgb
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil


def square(side):
    return {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}


PROCESSORS = {
    "clip 336": CLIPImageProcessorPil(**square(336)),
    "clip 224": CLIPImageProcessorPil(**square(224)),
    "llava padded 336": LlavaImageProcessorPil(do_pad=True, **square(336)),
    "vit 224": ViTImageProcessorPil(size={"height": 224, "width": 224}),
}


def theirs(processor, file):
    rgb = np.asarray(convert_to_rgb(ImageOps.exif_transpose(Image.open(file)), return_numpy=True))
    return np.asarray(processor(rgb, input_data_format="channels_last")["pixel_values"][0], np.float32)


def ours(program, processor, files):
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/preprocessor_config.json", "w") as file:
            file.write(processor.to_json_string())
        began = time.time()
        subprocess.run([program, folder, f"{folder}/values", *files], check=True)
        return np.fromfile(f"{folder}/values", np.float32), time.time() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--files", type=int, default=100)
    args = parser.parse_args()
    files = sorted(str(p) for p in pathlib.Path(args.folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[:: max(1, len(files) // args.files)][: args.files]
    bad = not files
    for name, processor in PROCESSORS.items():
        began = time.time()
        want = np.stack([theirs(processor, file) for file in files])
        their_time = time.time() - began
        got, our_time = ours(args.program, processor, files)
        worst = float(np.abs(got.reshape(want.shape) - want).max())
        bad |= not worst <= 1e-5  # nor may it be NaN
        print(json.dumps({"processor": name, "files": len(files), "largest_difference": worst, "our_s": round(our_time, 2),
                          "their_s": round(their_time, 2)}))
    sys.exit(bad)


if __name__ == "__main__":
    main()
