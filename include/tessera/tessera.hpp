// Everything that a program needs to encode and decode with the CPU library. Training is <tessera/trainer.hpp>; files
// of images are <tessera/io/image.hpp>, which needs libjpeg and libpng.
#pragma once

#include <tessera/config.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>
