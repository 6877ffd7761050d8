// SPDX-License-Identifier: MIT
#ifdef UMSREP_EXPERIMENT

#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <tests/examples/program.hpp>
#include <umsrep/data/sample.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/image.hpp>

namespace fs = std::filesystem;

namespace umsrep::test::experiment_run {

namespace {

using words = std::vector<std::string>;

words tiny(const fs::path& out, const std::string& arms = "paper", const std::string& labels = "6") {
    return {"run", "--out", out.string(), "--family", "homogeneous", "--arms", arms, "--simulated", "48", "--size", "32",
            "--labels", labels, "--seeds", "1", "--epochs", "2", "--pretrain-epochs", "1", "--images-per-epoch", "12", "--threads", "1"};
}

void succeed(const words& arguments) {
    process run{UMSREP_EXPERIMENT, arguments};
    const int code = run.wait();
    INFO(run.err());
    REQUIRE(code == 0);
}

/// The one line that a refusal writes.
std::string refusal(const words& arguments) {
    process run{UMSREP_EXPERIMENT, arguments};
    CHECK(run.wait() == 2);
    CHECK(run.out().empty());
    std::string line = run.err();
    REQUIRE(!line.empty());
    line.pop_back();
    CHECK(line.find('\n') == std::string::npos);
    return line;
}

/// What does not depend on how fast the machine was.
std::map<std::string, std::string> measured(const fs::path& folder) {
    auto files = contents_of(folder / "predictions");
    for (const char* table : {"results.csv", "curves.csv"}) files[table] = content_of(folder / table);
    return files;
}

/// Grey chest X-rays, 20 of each finding in each split, in a folder with a manifest.
class xrays {
public:
    explicit xrays(fs::path folder) : folder_{std::move(folder)} {
        fs::create_directories(folder_);
        data::tensor image = data::uninitialized({1, 32, 32});
        image.fill(0.5f);
        for (const std::string split : {"train", "val", "test"})
            for (const std::string label : {"normal", "bacterial", "viral"})
                for (int i = 0; i < 20; ++i) {
                    const std::string number = std::to_string(i), file = split + "_" + label + number + ".png";
                    io::write_png(folder_ / file, image);
                    rows_ += file + "," + split + label + number + "," + label + "," + split + "\n";
                }
    }
    /// Writes the manifest with `to` wherever it says `from`.
    void describe(const std::string& from = {}, const std::string& to = {}) const {
        std::string changed = rows_;
        for (std::size_t at = from.empty() ? std::string::npos : changed.find(from); at != std::string::npos;
             at = changed.find(from, at + to.size()))
            changed.replace(at, from.size(), to);
        std::ofstream{folder_ / "manifest.csv"} << "file,patient,label,split\n" << changed;
    }
    words tiny(const fs::path& out, const std::string& arm = "joint-scratch") const {
        words all = experiment_run::tiny(out, arm);
        all.insert(all.end(), {"--findings", folder_.string()});
        return all;
    }

private:
    fs::path folder_;
    std::string rows_;
};

} // namespace

TEST_CASE("an experiment measures every arm on every task") {
    const temporary_folder folder;
    const fs::path out = folder / "run";
    succeed(tiny(out));
    const io::csv results = io::csv::read(out / "results.csv");
    std::set<std::string> measured_tasks;
    for (std::size_t r = 0; r < results.rows(); ++r)
        if (results.at(r, results.column("metric")) == "auroc")
            measured_tasks.insert(results.at(r, results.column("arm")) + " " + results.at(r, results.column("task")));
    CHECK(measured_tasks.size() == 4 * 3);
    const io::csv costs = io::csv::read(out / "costs.csv");
    REQUIRE(costs.rows() == 4);
    const auto cost = [&](const std::string& arm, const char* name) {
        for (std::size_t r = 0; r < costs.rows(); ++r)
            if (costs.at(r, costs.column("arm")) == arm) return std::stod(costs.at(r, costs.column(name)));
        FAIL(arm);
        return 0.0;
    };
    CHECK(cost("separate", "stage1_seconds") == 0);
    CHECK(cost("joint-all", "stage1_seconds") > 0);
    CHECK(cost("joint-all", "parameters") < 0.34 * cost("separate", "parameters")); // one encoder for three, small heads
    CHECK(cost("joint-all", "macs_per_step") < 0.34 * cost("separate", "macs_per_step"));
    CHECK(cost("joint-all", "macs_total") < cost("separate", "macs_total"));
    CHECK(contents_of(out / "samples").size() == 4);
}

TEST_CASE("an experiment that was killed and goes on ends with what one never killed measures, and repeats no run") {
    const temporary_folder folder;
    const fs::path whole = folder / "whole", killed = folder / "killed";
    succeed(tiny(whole));
    std::map<std::string, std::string> before;
    int killed_midway = 0;
    for (int kills = 0; kills < 3; ++kills) {
        process run{UMSREP_EXPERIMENT, tiny(killed)};
        const std::size_t finished = before.size();
        while (run.running() && (!fs::exists(killed / "runs") || contents_of(killed / "runs").size() <= finished))
            std::this_thread::sleep_for(std::chrono::milliseconds(kills + 1));
        run.send(SIGKILL);
        killed_midway += run.wait() == 128 + SIGKILL ? 1 : 0;
        const auto now = contents_of(killed / "runs");
        for (const auto& [name, content] : before) CHECK(now.at(name) == content); // with its seconds
        before = now;
        std::erase_if(before, [](const auto& file) { return file.first.ends_with(".tmp"); });
    }
    CHECK(killed_midway > 0);
    succeed(tiny(killed));
    const auto now = contents_of(killed / "runs");
    for (const auto& [name, content] : before) CHECK(now.at(name) == content);
    CHECK(measured(killed) == measured(whole));
}

TEST_CASE("a folder takes more arms and budgets, and keeps what is there") {
    const temporary_folder folder;
    const fs::path out = folder / "run";
    succeed(tiny(out, "joint-scratch"));
    const auto before = contents_of(out / "runs");
    succeed(tiny(out, "separate,joint-frozen", "6,12"));
    const auto now = contents_of(out / "runs");
    CHECK(now.size() > before.size());
    for (const auto& [name, content] : before) CHECK(now.at(name) == content);
    const std::string settings = contents_of(out).at("experiment.json");
    CHECK(settings.find("joint-scratch") != std::string::npos);
    CHECK(settings.find("separate") != std::string::npos);
    CHECK(settings.find("12") != std::string::npos);
}

TEST_CASE("features computed once save the encoder's work") {
    const temporary_folder folder;
    const fs::path out = folder / "run";
    succeed(tiny(out, "joint-frozen,joint-frozen-cached"));
    const io::csv costs = io::csv::read(out / "costs.csv");
    REQUIRE(costs.rows() == 2);
    const std::size_t arm = costs.column("arm"), macs = costs.column("macs_total");
    const std::size_t cached = costs.at(0, arm) == "joint-frozen-cached" ? 0 : 1;
    const double saved = 1 - std::stod(costs.at(cached, macs)) / std::stod(costs.at(1 - cached, macs));
    CHECK(saved > 0.3); // each image comes several times
    CHECK(saved < 1);
}

TEST_CASE("a folder takes only runs that can be compared with its others") {
    const temporary_folder folder;
    const fs::path out = folder / "run";
    succeed(tiny(out, "joint-scratch"));
    const auto before = measured(out);
    words larger = tiny(out, "joint-scratch");
    *(std::ranges::find(larger, "--size") + 1) = "40";
    CHECK(refusal(larger) ==
          "experiment: " + (out / "experiment.json").string() + ": size: expected 32, as the folder was begun, got 40; take another --out");
    CHECK(measured(out) == before);
}

TEST_CASE("a folder whose runs lost their settings takes no others") {
    const temporary_folder folder;
    const fs::path out = folder / "run";
    succeed(tiny(out, "joint-scratch"));
    fs::remove(out / "experiment.json");
    CHECK(refusal(tiny(out, "separate")) ==
          "experiment: " + (out / "experiment.json").string() +
              ": expected the settings of the runs in runs/, got no such file; take another --out");
    CHECK(!fs::exists(out / "experiment.json"));
}

TEST_CASE("a budget that is asked for twice is one budget") {
    const temporary_folder folder;
    process run{UMSREP_EXPERIMENT, tiny(folder / "run", "joint-scratch", "6,6")};
    REQUIRE(run.wait() == 0);
    CHECK(run.out().starts_with("1 runs in "));
}

TEST_CASE("a run that diverges is named") {
    const temporary_folder folder;
    words wild = tiny(folder / "run", "joint-scratch");
    wild.insert(wild.end(), {"--learning-rate", "1e30"});
    process run{UMSREP_EXPERIMENT, wild};
    CHECK(run.wait() == 2);
    CHECK(run.err().find("\nexperiment: cxr-homogeneous/joint-scratch/n6/s1: ") != std::string::npos);
}

TEST_CASE("patients of a manifest are in one split, and every split has both classes of a task") {
    const temporary_folder folder;
    const xrays data{folder / "data"};
    const auto refused = [&](const std::string& from, const std::string& to) {
        data.describe(from, to);
        process run{UMSREP_EXPERIMENT, data.tiny(folder / "run")};
        CHECK(run.wait() == 2);
        return run.err();
    };
    CHECK(refused("valnormal3,", "trainnormal3,")
              .ends_with("experiment: patient 'trainnormal3' of val_normal3.png: expected one split, got two\n"));
    CHECK(refused(",viral,test", ",bacterial,test")
              .ends_with("experiment: cxr-homogeneous: task viral_vs_normal: expected images of both classes in every split, got "
                         "one class\n"));
}

TEST_CASE("a folder takes no runs on other images, whatever their folder is called") {
    const temporary_folder folder;
    const xrays data{folder / "data"};
    data.describe();
    succeed(data.tiny(folder / "run"));
    const auto before = measured(folder / "run");
    data.describe("val_normal3.png,valnormal3,normal,val\n", "");
    process run{UMSREP_EXPERIMENT, data.tiny(folder / "run", "separate")};
    CHECK(run.wait() == 2);
    CHECK(
        run.err().ends_with("images of cxr: expected \"60 to train, 60 to validate, 60 to test\", as the folder was begun, got "
                            "\"60 to train, 59 to validate, 60 to test\"; take another --out\n"));
    CHECK(measured(folder / "run") == before);
}

TEST_CASE("the experiment names what it cannot do") {
    const temporary_folder folder;
    const auto refuses = [&](const words& options, const std::string& reason) {
        words all{"run", "--out", (folder / "x").string()};
        all.insert(all.end(), options.begin(), options.end());
        CHECK(refusal(all).find(reason) != std::string::npos);
    };
    refuses({"--arms", "sum"}, "got 'sum'");
    refuses({"--modality", "echo", "--family", "homogeneous"}, "got another combination");
    refuses({"--learning-rate", "nan"}, "--learning-rate: expected a positive number, got nan");
    refuses({"--size", "64abc"}, "--size: expected a multiple of 8 from 32 to 512, got 64abc");
    CHECK(refusal({"run", "--out", ""}).find("--out: expected the name of a folder, got nothing") != std::string::npos);
    refuses({"--findings", folder.path().string()}, "expected --lungs beside --findings");
    CHECK(!fs::exists(folder / "x"));
    process many{UMSREP_EXPERIMENT, tiny(folder / "many", "paper", "1000")};
    CHECK(many.wait() == 2);
    CHECK(many.err().ends_with("experiment: cxr-homogeneous: bacterial_vs_normal: 32 labelled training images for 1000 asked for\n"));
    CHECK(!fs::exists(folder / "many" / "experiment.json"));
}

} // namespace umsrep::test::experiment_run

#endif
