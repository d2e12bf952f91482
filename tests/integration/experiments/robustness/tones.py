"""Tones, and the random generators of disturbances."""

import math

import torch

RATE = 16000


def draw(*parts):
    from recipes.common.disturbances import generator

    return generator(0, *parts)


def tone(seconds=1.0, pitch=440.0):
    time = torch.arange(round(RATE * seconds)) / RATE
    return 0.3 * torch.sin(2 * math.pi * pitch * time)
