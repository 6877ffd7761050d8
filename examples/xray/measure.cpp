// SPDX-License-Identifier: MIT
#include <iostream>

#include <device/device.hpp>
#include <umsrep/io/image.hpp>

#include "commands.hpp"
#include "evaluate.hpp"
#include "run_folder.hpp"

namespace xray {

void run(const evaluate_options& o) {
    description what;
    session networks = session::open(o.model, {device::choose(o.device), o.threads, o.plans}, what);
    const std::vector<part> parts = read_split(o.data, o.split, what.size, o.threads);
    std::cerr << count(parts) << " images of split '" << o.split << "'\n";
    for (const std::string& head : what.heads)
        if (labelled(parts, head) == 0) std::cerr << "  " << head << ": no labels, not measured\n";
    nlohmann::ordered_json metrics = evaluate(networks, what, parts, o.noise);
    const auto [parameters, macs] = networks.costs();
    metrics["split"] = o.split;
    metrics["cost"] = {{"parameters", parameters}, {"macs", macs}, {"strategy", what.strategy}, {"encoder", what.encoder}, {"size", what.size},
                       {"seed", what.seed}};
    if (!o.out.empty()) write_json(o.out, metrics);
    if (!o.panel.empty()) umsrep::io::write_png(o.panel, panel(networks, parts, o.noise).pixels());
    std::cout << summary(metrics);
}

} // namespace xray
