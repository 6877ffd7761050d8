// SPDX-License-Identifier: MIT
#pragma once

// The umbrella: everything portable. Readers and writers of files (io/), reports (report/) and devices are asked for by name.

#include <umsrep/network/facts.hpp>
