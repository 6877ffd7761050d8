// SPDX-License-Identifier: MIT
#ifdef UMSREP_EXPERIMENT_REPORT

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include <examples/experiment/report.hpp>
#include <examples/experiment/report_chart.hpp>
#include <examples/experiment/report_judge.hpp>
#include <examples/experiment/report_study.hpp>
#include <examples/experiment/report_table.hpp>
#include <tests/examples/experiment_folder.hpp>
#include <tests/examples/program.hpp>
#include <tests/support/temporary_folder.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/image.hpp>
#include <umsrep/statistics/bootstrap.hpp>
#include <umsrep/statistics/statistic.hpp>

namespace umsrep::test::experiment_report {

using namespace ::experiment::reporting;

namespace {

/// What the program would print is of no interest here.
void make_report(const fs::path& folder) {
    std::ostringstream quiet;
    struct silence {
        std::streambuf* before;
        ~silence() { std::cout.rdbuf(before); }
    } const silence{std::cout.rdbuf(quiet.rdbuf())};
    ::experiment::report({.folder = folder, .resamples = 400});
}

std::string refusal_of(const fs::path& folder) {
    try {
        make_report(folder);
    } catch (const file_error& wrong) {
        return wrong.what();
    }
    return "no error";
}

/// Verdicts of a folder by their ids.
std::map<std::string, std::string> verdicts_in(const fs::path& folder) {
    const io::csv table = io::csv::read(folder / "report" / "verdicts.csv");
    std::map<std::string, std::string> result;
    for (std::size_t row = 0; row < table.rows(); ++row) result[table.at(row, 0)] = table.at(row, 2);
    return result;
}

std::map<std::string, std::string> verdicts_of(const world& w) {
    const temporary_folder folder;
    write_experiment(folder.path(), w);
    make_report(folder.path());
    return verdicts_in(folder.path());
}

/// Three families, all kinds of tasks and a sample image; made once.
const fs::path& full_folder() {
    static const temporary_folder folder;
    static const bool made = [] {
        world w{.quality = as_in_the_paper};
        w.families.push_back("cxr-heterogeneous");
        w.arms.push_back("joint-all-pcgrad");
        w.patients = 40;
        write_experiment(folder.path(), w);
        fs::create_directories(folder / "samples");
        data::tensor image = data::uninitialized({1, 20, 30});
        image.fill(0.5f);
        io::write_png(folder / "samples" / "cxr-heterogeneous_joint-all_n300_s1.png", image);
        make_report(folder.path());
        return true;
    }();
    REQUIRE(made);
    return folder.path();
}

/// The attributes of a tag, as written.
std::vector<std::pair<std::string, std::string>> attributes_of(std::string_view tag) {
    std::vector<std::pair<std::string, std::string>> result;
    for (std::size_t equals = tag.find("=\""); equals != std::string_view::npos; equals = tag.find("=\"", equals)) {
        const std::size_t name = tag.rfind(' ', equals) + 1, quote = tag.find('"', equals + 2);
        REQUIRE(quote != std::string_view::npos);
        result.emplace_back(tag.substr(name, equals - name), tag.substr(equals + 2, quote - equals - 2));
        equals = quote;
    }
    return result;
}

/// What is wrong with a document's tags, ids and references; empty when nothing is.
std::string misfit_of(std::string_view page) {
    const std::set<std::string, std::less<>> without_end{"meta", "img", "!DOCTYPE"};
    std::vector<std::string> open;
    std::set<std::string> ids, references;
    for (std::size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at)) {
        const std::size_t end = page.find('>', at);
        if (end == std::string_view::npos) return "a tag without end";
        std::string_view tag = page.substr(at + 1, end - at - 1);
        at = end;
        if (tag.starts_with('/')) {
            if (open.empty() || open.back() != tag.substr(1)) return "</" + std::string{tag.substr(1)} + "> closes something else";
            open.pop_back();
            continue;
        }
        const std::string name{tag.substr(0, tag.find_first_of(" /"))};
        for (const auto& [attribute, value] : attributes_of(tag)) {
            if (attribute == "id" && !ids.insert(value).second) return "the id " + value + " twice";
            if (attribute == "href" && value.starts_with('#')) references.insert(value.substr(1));
            if (attribute == "aria-labelledby") {
                std::istringstream words{value};
                for (std::string word; words >> word;) references.insert(word);
            }
        }
        if (name == "img" && tag.find("alt=\"") == std::string_view::npos) return "an image without alt text";
        if (!tag.ends_with('/') && !without_end.contains(name)) open.push_back(name);
        if (name == "style") at = page.find("</style>", at);
    }
    if (!open.empty()) return "<" + open.back() + "> is not closed";
    for (const std::string& r : references)
        if (!ids.contains(r)) return "no element with the id " + r;
    return {};
}

void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
    std::string text = content_of(file);
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    std::ofstream{file} << text.replace(at, from.size(), to);
}

/// A small folder of one family.
world small_world() {
    world w{.quality = as_in_the_paper};
    w.families = {"cxr-homogeneous"};
    w.arms = {"separate", "joint-all"};
    w.labels = {30};
    w.patients = 20;
    return w;
}

} // namespace

TEST_CASE("experiment report: in a world as the paper describes it every criterion reproduces") {
    for (const auto& [id, verdict] : verdicts_of({.quality = as_in_the_paper})) {
        CAPTURE(id);
        CHECK(verdict == "reproduced");
    }
}

TEST_CASE("experiment report: in the contrary world no criterion reproduces, and the page says so") {
    world w{.quality = contrary};
    w.seconds = [](const std::string& arm) { return arm == "separate" ? 300.0 : 250.0; };
    const auto verdicts = verdicts_of(w);
    CHECK(verdicts.size() == 9);
    for (const auto& [id, verdict] : verdicts) {
        CAPTURE(id);
        CHECK(verdict == "not reproduced");
    }
}

TEST_CASE("experiment report: one seed is too few for any verdict on accuracy") {
    world w{.quality = as_in_the_paper};
    w.seeds = 1;
    for (const auto& [id, verdict] : verdicts_of(w)) {
        CAPTURE(id);
        CHECK(verdict == (id.starts_with("time-") ? "reproduced" : "cannot be judged"));
    }
}

TEST_CASE("experiment report: with equal arms nothing is found to be significant") {
    world w{.quality = [](const invented_task&, const std::string&, int) { return 0.8; }};
    const temporary_folder folder;
    write_experiment(folder.path(), w);
    make_report(folder.path());
    CHECK(verdicts_in(folder.path()).at("paper.six") == "not reproduced");
    CHECK(verdicts_in(folder.path()).at("small-labels") == "not reproduced");
    const std::string verdicts = content_of(folder / "report" / "verdicts.csv"); // whichever way chance has it
    CHECK(verdicts.substr(verdicts.find("accuracy.cxr-homogeneous"), 600).find("No interval excludes 0") != std::string::npos);
    const io::csv table = io::csv::read(folder / "report" / "comparisons.csv");
    for (std::size_t row = 0; row < table.rows(); ++row) CHECK(std::stod(table.at(row, table.column("p_holm"))) > 0.05);
}

TEST_CASE("experiment report: an arm that is not there leaves its criteria without verdict, and one family is not six tasks") {
    world w = small_world();
    w.labels = {300};
    const auto verdicts = verdicts_of(w);
    CHECK(verdicts.at("accuracy.cxr-homogeneous") == "reproduced");
    CHECK(verdicts.at("paper.six") == "cannot be judged");
    CHECK(verdicts.at("small-labels") == "cannot be judged");
    CHECK(verdicts.at("strategy.cxr-homogeneous") == "cannot be judged");
    CHECK(verdicts.at("time-frozen.cxr-homogeneous") == "cannot be judged");
}

TEST_CASE("experiment report: the best arm is chosen by validation images, not by test images") {
    const temporary_folder folder;
    world w = small_world();
    w.arms = {"separate", "independent-all", "joint-all"}; // joint is better on test images
    write_experiment(folder.path(), w);
    std::string curves = "run,epoch,task,train_loss,valid_loss,valid_metric\n";
    for (int seed_number = 1; seed_number <= 3; ++seed_number)
        for (const std::string arm : {"independent-all", "joint-all"})
            for (const std::string task : {"bacterial_vs_normal", "viral_vs_normal", "bacterial_vs_viral"})
                curves += "cxr-homogeneous/" + arm + "/n30/s" + std::to_string(seed_number) + ",1," + task + ",,," +
                          (arm == "joint-all" ? "0.7" : "0.8") + "\n";
    std::ofstream{folder / "curves.csv"} << curves;
    make_report(folder.path());
    const io::csv best = io::csv::read(folder / "report" / "best_arms.csv");
    REQUIRE(best.rows() == 3);
    for (std::size_t row = 0; row < 3; ++row) CHECK(best.at(row, best.column("arm")) == "independent-all");
}

TEST_CASE("experiment report: an arm from fewer seeds than others is neither the best nor ranked") {
    const temporary_folder folder;
    world w = small_world();
    w.arms = {"separate", "joint-all", "joint-last1"};
    w.quality = [](const invented_task& task, const std::string& arm, int labels) {
        return as_in_the_paper(task, arm == "joint-last1" ? "joint-all" : arm, labels) + (arm == "joint-last1" ? 0.05 : 0.0);
    };
    write_experiment(folder.path(), w);
    for (const char* table : {"results.csv", "costs.csv", "curves.csv"}) {
        std::istringstream lines{content_of(folder / table)};
        std::ofstream fewer{folder / table};
        for (std::string line; std::getline(lines, line);)
            if (!line.starts_with("cxr-homogeneous/joint-last1/n30/s2") &&
                !line.starts_with("cxr-homogeneous/joint-last1/n30/s3"))
                fewer << line << '\n';
    }
    make_report(folder.path());
    const io::csv best = io::csv::read(folder / "report" / "best_arms.csv"),
                  ranks = io::csv::read(folder / "report" / "ranking.csv");
    for (std::size_t row = 0; row < best.rows(); ++row) CHECK(best.at(row, best.column("arm")) == "joint-all");
    CHECK(verdicts_in(folder.path()).at("accuracy.cxr-homogeneous") == "reproduced");
    REQUIRE(ranks.rows() == 3);
    for (std::size_t row = 0; row < 3; ++row) {
        const bool last1 = ranks.at(row, ranks.column("arm")) == "joint-last1";
        CHECK(ranks.at(row, ranks.column("rank")).empty() == last1);
        CHECK(ranks.at(row, ranks.column("seeds")) == (last1 ? "1" : "3"));
    }
}

TEST_CASE("experiment report: 60 % of the time are asked of tasks that share their images only") {
    const temporary_folder folder;
    world w = small_world();
    w.families = {"cxr-heterogeneous"};
    write_experiment(folder.path(), w);
    make_report(folder.path());
    CHECK(verdicts_in(folder.path()).contains("time-trainable.cxr-heterogeneous"));
    replace_in(folder / "experiment.json", "\"size\": 64", "\"size\": 64, \"data\": {\"lungs\": \"manifest.csv\"}");
    make_report(folder.path());
    CHECK(!verdicts_in(folder.path()).contains("time-trainable.cxr-heterogeneous")); // masks are of other images
}

TEST_CASE("experiment report: of what could not be measured on every image it says on how many") {
    const temporary_folder folder;
    world w{.quality = as_in_the_paper};
    w.families = {"echo-heterogeneous"};
    w.arms = {"separate", "joint-all"};
    w.labels = {30};
    w.patients = 20;
    write_experiment(folder.path(), w);
    replace_in(folder / "results.csv", "echo-heterogeneous,joint-all,30,2,envelope,peak_velocity_bias,1.5,40",
               "echo-heterogeneous,joint-all,30,2,envelope,peak_velocity_bias,1.5,10");
    make_report(folder.path());
    const io::csv table = io::csv::read(folder / "report" / "doppler.csv");
    REQUIRE(table.rows() == 4); // two arms, as trained on and shifted
    CHECK(table.at(1, table.column("arm")) == "joint-all");
    CHECK(table.at(1, table.column("test_images")) == "40");
    CHECK(table.at(1, table.column("peak_velocity_images")) == "30"); // of 40, 10 and 40
    CHECK(table.at(1, table.column("vti_images")) == "40");
    CHECK(table.at(3, table.column("peak_velocity_images")) == "40");
}

TEST_CASE("experiment report: where resamples are too few for Holm to find anything the table says so") {
    const std::string told = "Nothing can be significant here: 400 resamples give no p below 0.0050";
    CHECK(content_of(full_folder() / "report.html").find(told) != std::string::npos); // a hundred tests
    const temporary_folder folder;
    write_experiment(folder.path(), small_world()); // three
    make_report(folder.path());
    CHECK(content_of(folder / "report.html").find("Nothing can be significant") == std::string::npos);
}

TEST_CASE("experiment report: the page is well-formed, and all that it needs is in it") {
    const std::string page = content_of(full_folder() / "report.html");
    CHECK(misfit_of(page) == "");
    for (const char* outside : {"http:", "https:", "<script", "<link", "@import", "url(", "srcset"}) {
        CAPTURE(outside);
        CHECK(page.find(outside) == std::string::npos);
    }
    CHECK(page.find("src=\"data:image/png;base64,iVBORw0KGgo") != std::string::npos);
    CHECK(page.find("No clinical claim") != std::string::npos);
    CHECK(page.find("invented &lt;processor&gt; &amp; co") != std::string::npos);
}

TEST_CASE("experiment report: a checker that finds nothing wrong with anything would be no checker") {
    CHECK(misfit_of("<p>a <b>c</b></p>") == "");
    CHECK(misfit_of("<p>a <b>c</p></b>") != "");
    CHECK(misfit_of("<p>") != "");
    CHECK(misfit_of("<p id=\"a\"></p><p id=\"a\"></p>") != "");
    CHECK(misfit_of("<a href=\"#b\"></a>") != "");
    CHECK(misfit_of("<img src=\"x\">") != "");
}

TEST_CASE("experiment report: numbers on the page are those of the CSV files, all digits beside what is shown") {
    const std::string page = content_of(full_folder() / "report.html");
    for (const char* id :
         {"paper_table_5", "paper_table_7", "ranking", "controls", "best_arms", "comparisons", "costs", "doppler", "shifted"}) {
        CAPTURE(id);
        const io::csv table = io::csv::read(full_folder() / "report" / (id + std::string{".csv"}));
        std::size_t at = page.find("id=\"" + std::string{id} + "\"");
        REQUIRE(at != std::string::npos);
        std::string_view part = std::string_view{page}.substr(at, page.find("</table>", at) - at);
        std::vector<std::string> shown_numbers, filed;
        for (std::size_t next = part.find("<data value=\""); next != std::string_view::npos; next = part.find("<data value=\"", next + 1)) {
            const std::size_t begin = next + 13, quote = part.find('"', begin);
            shown_numbers.emplace_back(part.substr(begin, quote - begin));
        }
        for (std::size_t row = 0; row < table.rows(); ++row)
            for (const std::string& field : [&] {
                     std::vector<std::string> fields;
                     for (std::size_t c = 0; c < table.columns().size(); ++c) fields.push_back(table.at(row, c));
                     return fields;
                 }()) {
                char* end = nullptr;
                std::strtod(field.c_str(), &end);
                if (!field.empty() && *end == '\0') filed.push_back(field);
            }
        CHECK(!filed.empty());
        CHECK(shown_numbers == filed);
    }
}

TEST_CASE("experiment report: its figures are the means of results.csv") {
    const io::csv results = io::csv::read(full_folder() / "results.csv"),
                  table = io::csv::read(full_folder() / "report" / "paper_table_5.csv");
    double sum = 0;
    for (std::size_t row = 0; row < results.rows(); ++row)
        if (results.at(row, 0).starts_with("cxr-homogeneous/joint-all/n300/") &&
            results.at(row, results.column("task")) == "viral_vs_normal" && results.at(row, results.column("metric")) == "mcc")
            sum += std::stod(results.at(row, results.column("value")));
    bool found = false;
    for (std::size_t row = 0; row < table.rows(); ++row)
        if (table.at(row, 0) == "viral_vs_normal" && table.at(row, 1) == "MCC, ours") {
            found = true;
            CHECK(std::stod(table.at(row, table.column("joint"))) == doctest::Approx(sum / 3).epsilon(1e-12));
            CHECK(table.at(row - 1, table.column("joint")) == "0.92"); // the paper's
        }
    CHECK(found);
}

TEST_CASE("experiment report: the JSON file holds the CSV files' rows") {
    const auto json = nlohmann::json::parse(content_of(full_folder() / "report.json"));
    for (const char* id : {"verdicts", "learning_curves", "costs", "comparisons", "figures"}) {
        CAPTURE(id);
        const io::csv table = io::csv::read(full_folder() / "report" / (id + std::string{".csv"}));
        REQUIRE(json.at(id).at("rows").size() == table.rows());
        for (std::size_t row = 0; row < table.rows(); ++row)
            for (std::size_t c = 0; c < table.columns().size(); ++c) {
                const auto& value = json.at(id).at("rows").at(row).at(table.columns()[c]);
                if (value.is_number()) CHECK(value.get<double>() == std::stod(table.at(row, c)));
                else CHECK((value.is_null() ? "" : value.get<std::string>()) == table.at(row, c));
            }
    }
}

TEST_CASE("experiment report: the same folder gives the same files, byte for byte") {
    const auto tables = contents_of(full_folder() / "report");
    const std::string page = content_of(full_folder() / "report.html"), json = content_of(full_folder() / "report.json");
    make_report(full_folder());
    CHECK(contents_of(full_folder() / "report") == tables);
    CHECK(content_of(full_folder() / "report.html") == page);
    CHECK(content_of(full_folder() / "report.json") == json);
}

TEST_CASE("experiment report: what is missing or no number is shown as that, and listed") {
    const temporary_folder folder;
    world w{.quality = as_in_the_paper};
    w.families = {"cxr-homogeneous"};
    w.labels = {300};
    w.patients = 20;
    w.arms = {"separate", "independent-all", "joint-all"};
    write_experiment(folder.path(), w);
    replace_in(folder / "experiment.json", "\"separate\",", "\"separate\", \"alternating-all\",");
    const std::string row = "cxr-homogeneous/joint-all/n300/s2,cxr-homogeneous,joint-all,300,2,viral_vs_normal,mcc,";
    replace_in(folder / "results.csv", row,
               row + "nan,1\ncxr-homogeneous/joint-all/n300/s2,cxr-homogeneous,joint-all,300,2,viral_vs_normal,other,");
    fs::remove(folder / "predictions" / "cxr-homogeneous_joint-all_n300_s3.csv");
    make_report(folder.path());

    const std::string page = content_of(folder / "report.html");
    CHECK(misfit_of(page) == "");
    const std::string missing = content_of(folder / "report" / "missing.csv");
    CHECK(missing.find("alternating-all\",\"no results for 300 labels, seed 1") != std::string::npos);
    CHECK(missing.find("viral_vs_normal\",mcc is not a number") != std::string::npos);
    CHECK(missing.find("joint-all/n300/s3,no predictions") != std::string::npos);
    const io::csv table = io::csv::read(folder / "report" / "paper_table_5.csv");
    CHECK(table.at(1, table.column("alternating")).empty());
    CHECK(page.find("data-label=\"Alter\u00adnat\u00ading\"><span>missing</span>") != std::string::npos);
    CHECK(verdicts_in(folder.path()).at("accuracy.cxr-homogeneous") == "cannot be judged"); // two seeds of the best arm are left
}

TEST_CASE("experiment report: predictions that contradict results.csv are told") {
    const temporary_folder folder;
    write_experiment(folder.path(), small_world());
    std::string predictions = content_of(folder / "predictions" / "cxr-homogeneous_joint-all_n30_s1.csv"), wrong;
    std::istringstream lines{predictions};
    for (std::string line; std::getline(lines, line);)
        wrong += line.starts_with("viral_vs_normal") ? line.substr(0, line.size() - 1) + "5\n" : line + "\n";
    std::ofstream{folder / "predictions" / "cxr-homogeneous_joint-all_n30_s1.csv"} << wrong;
    make_report(folder.path());
    CHECK(content_of(folder / "report" / "missing.csv").find("is not that of the predictions") != std::string::npos);
}

TEST_CASE("experiment report: wrong files are refused naming file, line and column") {
    const temporary_folder folder;
    CHECK(refusal_of(folder.path()).find("experiment.json") != std::string::npos);
    const std::string name = (folder / "a").string();
    const auto refused = [&](const char* file, const std::string& from, const std::string& to) {
        fs::remove_all(folder / "a");
        write_experiment(folder / "a", small_world());
        replace_in(folder / "a" / file, from, to);
        return refusal_of(folder / "a");
    };
    CHECK(
        refused("results.csv", ",f1,0.", ",f1,0x").starts_with(name + "/results.csv: line 3: column 'value': expected a number, got '0x"));
    CHECK(refused("results.csv", ",30,1,", ",-3,1,") ==
          name + "/results.csv: line 2: column 'labels': expected a whole number, not negative, got '-3'");
    CHECK(refused("results.csv", ",f1,", ",accuracy,") == name +
                                                              "/results.csv: line 3: column 'metric': expected each metric of a run's task "
                                                              "once, got 'accuracy' of bacterial_vs_normal twice");
    CHECK(refused("results.csv", ",joint-all,", ",joint,").find("column 'run': expected the family, arm, labels and seed that") !=
          std::string::npos);
    CHECK(refused("results.csv", "value", "worth") ==
          name + "/results.csv: expected a column 'value', got run, family, arm, labels, seed, task, metric, worth, count");
    CHECK(refused("costs.csv", ",20,41500000", ",20,4 million") ==
          name + "/costs.csv: line 2: column 'macs_per_step': expected a number, got '4 million'");
    CHECK(refused("predictions/cxr-homogeneous_separate_n30_s1.csv", "normal1,", "normal0,")
              .find("column 'id': expected each sample of a task once") != std::string::npos);
    CHECK(refused("predictions/cxr-homogeneous_separate_n30_s1.csv", ",p0,", ",p7,")
              .find("expected one patient and one true class, got two") != std::string::npos);
    CHECK(refused("experiment.json", "{", "[").starts_with(name + "/experiment.json: "));
    fs::create_directories(folder / "a");
    write_experiment(folder / "a", small_world());
    fs::create_directories(folder / "a" / "samples");
    std::ofstream{folder / "a" / "samples" / "cxr-homogeneous_joint-all_n30_s1.png"} << "no image";
    CHECK(refusal_of(folder / "a") == name + "/samples/cxr-homogeneous_joint-all_n30_s1.png: expected a PNG image, got something else");
}

TEST_CASE("experiment report: with one seed the bootstrap is that over patients") {
    random_stream draw{seed{3}};
    of_seed values{1, {}, {}};
    for (int i = 0; i < 60; ++i) {
        values.patients.push_back(std::to_string(draw.below(25)));
        values.values.push_back(0.1 + draw.normal());
    }
    const std::vector<of_seed> one{values};
    const bootstrapped mine = ::experiment::reporting::bootstrap(one, 2000, 5);
    const auto reference =
        statistics::paired_bootstrap(statistics::clusters{values.patients}, statistics::mean_of(values.values),
                                     statistics::mean_of(std::vector<double>(60, 0.0)), {.resamples = 2000, .random = seed{5}});
    CHECK(mine.value == doctest::Approx(reference.difference.value).epsilon(1e-12));
    CHECK(mine.interval.low == doctest::Approx(reference.difference.percentile.low).epsilon(1e-12));
    CHECK(mine.interval.high == doctest::Approx(reference.difference.percentile.high).epsilon(1e-12));
    CHECK(mine.p == doctest::Approx(reference.p_value).epsilon(1e-12));
}

TEST_CASE("experiment report: seeds that disagree widen the interval, more test patients do not narrow it away") {
    const auto interval = [](double between_seeds) {
        std::vector<of_seed> seeds;
        for (int s = 0; s < 5; ++s) {
            of_seed& one = seeds.emplace_back(of_seed{static_cast<std::uint64_t>(s), {}, {}});
            for (int i = 0; i < 400; ++i) {
                random_stream draw{seed{static_cast<std::uint64_t>(s)}, "value", static_cast<std::uint64_t>(i)};
                one.patients.push_back(std::to_string(i));
                one.values.push_back(between_seeds * (s - 2) + 0.1 * draw.normal());
            }
        }
        return ::experiment::reporting::bootstrap(seeds, 2000, 1).interval;
    };
    const auto alike = interval(0), apart = interval(0.1);
    CHECK(alike.high - alike.low < 0.02);
    CHECK(apart.high - apart.low > 0.15);
}

TEST_CASE("experiment report: what cannot be bootstrapped is not known") {
    const std::vector<of_seed> one_patient{{1, {"a", "a"}, {1, 0}}},
        infinite{{1, {"a", "b"}, {1, std::numeric_limits<double>::infinity()}}};
    for (const auto& values : {one_patient, infinite, std::vector<of_seed>{}}) {
        const bootstrapped b = ::experiment::reporting::bootstrap(values, 100, 1);
        CHECK(std::isnan(b.p));
        CHECK(std::isnan(b.interval.low));
    }
}

TEST_CASE("experiment report: break-even by hand") {
    const saving s{.labels = 30, .seeds = 1, .separate = 300, .seconds = 60, .stage1 = 120};
    CHECK(s.share() == doctest::Approx(0.8));
    CHECK(s.share_with_stage1() == doctest::Approx(0.4));
    CHECK(s.break_even(3) == doctest::Approx(120 / (100.0 - 20.0)));
    CHECK(std::isinf(saving{.labels = 30, .seeds = 1, .separate = 60, .seconds = 60, .stage1 = 120}.break_even(3)));
}

TEST_CASE("experiment report: numbers as the page shows them") {
    const auto text = [](double value, int digits, bool sign = false, double scale = 1) {
        return shown(value, {.id = "", .title = "", .digits = digits, .sign = sign, .scale = scale});
    };
    CHECK(text(0.94149, 3) == "0.941");
    CHECK(text(-1.25, 1) == "−1.2");
    CHECK(text(2.04, 1, true) == "+2.0");
    CHECK(text(-0.0001, 2, true) == "0.00");
    CHECK(text(1234, 0) == "1234");
    CHECK(text(123456.5, 1) == "123\u202f456.5");
    CHECK(text(1234567, 0) == "1\u202f234\u202f567");
    CHECK(text(41500000, 1, false, 1e-6) == "41.5");
    CHECK(text(std::numeric_limits<double>::infinity(), 1) == "∞");
    CHECK(shown(0.00004, {.id = "", .title = "", .digits = 4, .bounded = true}) == "< 0.0001");
    CHECK(shown(0.00006, {.id = "", .title = "", .digits = 4, .bounded = true}) == "0.0001");
    CHECK(exact(0.1) == "0.1");
    CHECK(escaped("a<b & \"c\">") == "a&lt;b &amp; &quot;c&quot;&gt;");
}

TEST_CASE("experiment report: charts with one budget, without intervals, and without any point") {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<std::vector<chart_point>> cases{
        {}, {{30, 0.5, nan, nan}}, {{30, 0.5, 0.5, 0.5}, {300, nan, nan, nan}}, {{30, 0.2, 0.1, 0.3}, {300, 0.9, 0.8, 1}}};
    for (const auto& points : cases) {
        const std::string image = svg({"c", "title", "accuracy", {{"separate", points}}});
        CHECK(misfit_of(image) == "");
        CHECK(image.find("nan") == std::string::npos);
        CHECK(image.find("inf\"") == std::string::npos);
        CHECK((image.find("nothing was measured") != std::string::npos) == points.empty());
    }
    CHECK(
        svg({"c", "t", "y", {{"a", {{30, 0.2, 0.1, 0.3}, {300, 0.9, 0.8, 1}}}}}).find("a: 0.200 with 30 labels, 0.900 with 300 labels.") !=
        std::string::npos);
}

} // namespace umsrep::test::experiment_report

#endif
