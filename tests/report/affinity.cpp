// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include <umsrep/report/affinity.hpp>

#include "../support/temporary_folder.hpp"

using namespace umsrep;

namespace report_affinity {

/// Two tasks that share two stages: gradients (3, 0 | 0) and (-1, 0 | 2).
task_affinity two_tasks() {
    task_affinity a({"lungs", "finding, any"}, {"e1", "e2"});
    balance::inner_products p(2, 2);
    const double first[3] = {9, -3, 1}, second[3] = {0, 0, 4};
    const std::size_t pairs[3][2] = {{0, 0}, {0, 1}, {1, 1}};
    for (std::size_t k = 0; k < 3; ++k) {
        p.set(0, pairs[k][0], pairs[k][1], first[k]);
        p.set(1, pairs[k][0], pairs[k][1], second[k]);
        p.set(2, pairs[k][0], pairs[k][1], first[k] + second[k]);
    }
    a.add(p);
    a.add_gain(0, 1, -0.015);
    return a;
}

} // namespace report_affinity
using namespace report_affinity;

TEST_CASE("an affinity as a table: ordered pairs, '-' where nothing was measured") {
    CHECK(report::affinity_table(two_tasks()).text() == "task          on task       cosine  conflicts, %  gain, %      e1  e2\n"
                                                        "------------  ------------  ------  ------------  -------  ------  --\n"
                                                        "lungs         finding, any  -0.447           100   -1.500  -1.000   -\n"
                                                        "finding, any  lungs         -0.447           100        -  -1.000   -\n");
}

TEST_CASE("an affinity as CSV: a row for each ordered pair, empty where nothing was measured") {
    const test::temporary_folder f;
    report::write_affinity(f / "affinity.csv", two_tasks());
    std::stringstream text;
    text << std::ifstream(f / "affinity.csv").rdbuf();
    CHECK(text.str() == "task,on_task,steps,cosine,conflict,gain,length,cosine.e1,cosine.e2\n"
                        "lungs,lungs,1,1.000000000,0.000000000,,3.000000000,1.000000000,\n"
                        "lungs,\"finding, any\",1,-0.447213595,1.000000000,-0.015000000,3.000000000,-1.000000000,\n"
                        "\"finding, any\",lungs,1,-0.447213595,1.000000000,,2.236067977,-1.000000000,\n"
                        "\"finding, any\",\"finding, any\",1,1.000000000,0.000000000,,2.236067977,1.000000000,1.000000000\n");
}
