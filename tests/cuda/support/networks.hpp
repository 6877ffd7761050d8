// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include <umsrep/graph/graph.hpp>
#include <umsrep/graph/mode.hpp>

/// The networks whose operation graphs are offered to cuDNN.
namespace support {

struct network_case {
    std::string name;
    bool small = false; ///< of few graphs
    umsrep::graph graph;
    std::vector<umsrep::mode> modes;
};

std::vector<network_case> networks();

} // namespace support
