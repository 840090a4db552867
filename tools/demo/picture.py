#!/usr/bin/python3
"""Draws a line of text as a PNG: picture.py TEXT FILE"""
import sys

from PIL import Image, ImageDraw, ImageFont

text, path = sys.argv[1], sys.argv[2]
font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 48)
image = Image.new("L", (60 + 30 * len(text), 120), 255)
ImageDraw.Draw(image).text((30, 30), text, font=font, fill=0)
image.save(path)
