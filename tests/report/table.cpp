// SPDX-License-Identifier: MIT
#include <umsrep/report/table.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

using namespace umsrep;
using namespace umsrep::report;

TEST_CASE("columns are as wide as their widest cell and aligned as asked") {
    table t{{{"head"}, {"dice", align::right}, {"note"}}};
    t.add({"lungs", number(0.93125), "ok"});
    t.add({"a longer head", number(12.5, 1), ""});
    std::ostringstream out;
    out << t;
    CHECK(out.str() == "head            dice  note\n"
                       "-------------  -----  ----\n"
                       "lungs          0.931  ok\n"
                       "a longer head   12.5\n");
    CHECK(t.rows() == 2);
}

TEST_CASE("letters are counted, not bytes") {
    table t{{{"\xC3\xA4\xC3\xB6"}, {"x"}}};
    t.add({"abc", "1"});
    CHECK(t.text() == "\xC3\xA4\xC3\xB6   x\n---  -\nabc  1\n");
}

TEST_CASE("what is not known is a dash") {
    CHECK(number(std::nan("")) == "-");
    CHECK(number(2, 0) == "2");
    CHECK(number(-0.5, 2) == "-0.50");
    CHECK(number(1e300, 1).size() == 303);
}

TEST_CASE("a row of another length and a table without columns throw") {
    table t{{{"a"}, {"b"}}};
    CHECK_THROWS_WITH_AS(t.add({"1"}), "table row: expected 2 cells, got 1", shape_mismatch);
    CHECK_THROWS_AS(table{{}}, option_error);
}
