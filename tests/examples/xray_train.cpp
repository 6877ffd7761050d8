// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#ifdef UMSREP_XRAY

#include <chrono>
#include <thread>

#include <tests/examples/xray.hpp>
#include <umsrep/io/safetensors.hpp>

using namespace umsrep::test;
using namespace umsrep::test::xray;

namespace {

void wait_for_checkpoint(process& p, const fs::path& folder) {
    while (p.running() && !fs::exists(folder / "checkpoint.safetensors")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// Starts a run and kills it as soon as it has trained; the exit code is 0 if it was over first.
int kill_midway(const words& arguments, const fs::path& folder) {
    process p{UMSREP_XRAY, arguments};
    wait_for_checkpoint(p, folder);
    const auto written = [&] {
        std::error_code gone;
        return fs::last_write_time(folder / "checkpoint.safetensors", gone);
    };
    const auto first = written();
    while (p.running() && written() == first) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    p.send(SIGKILL);
    return p.wait();
}

} // namespace

TEST_CASE("xray train leaves the model, the metrics, the history and a picture, and nothing else but its options") {
    const auto files = contents_of(finished_run());
    CHECK(files.size() == 5);
    for (const char* name : {"model.safetensors", "metrics.json", "history.csv", "panel.png", "options.json"}) {
        INFO(name);
        CHECK(files.contains(name));
    }
    const auto metrics = json_of(finished_run() / "metrics.json");
    for (const char* key : {"psnr_noisy", "psnr", "ssim"}) CHECK(metrics.at("denoise").at(key).is_number());
    for (const char* key : {"dice", "iou"}) CHECK(metrics.at("lungs").at(key).is_number());
    CHECK(metrics.at("lungs").at("by_dataset").at("simulated").at("dice") == metrics.at("lungs").at("dice"));
    for (const char* key : {"accuracy", "auroc", "auroc_bacterial_vs_normal", "mcc"}) CHECK(metrics.at("finding").at(key).is_number());
    CHECK(metrics.at("finding").at("confusion").size() == 3);
    CHECK(metrics.at("cost").at("epochs") == 2);
    CHECK(metrics.at("cost").at("computed_by").get<std::string>().starts_with("cpu"));
    CHECK(metrics.at("denoise").at("psnr_noisy").get<double>() == doctest::Approx(20).epsilon(0.02)); // -20 log10(0.1)
    const std::string& csv = files.at("history.csv");
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 3);
}

TEST_CASE("the same seed gives the same model, whatever the number of threads; another seed gives another") {
    const temporary_folder folder;
    const std::string model = content_of(finished_run() / "model.safetensors");
    succeed(tiny(folder / "two", 2, 2));
    CHECK(content_of(folder / "two" / "model.safetensors") == model);
    succeed(tiny(folder / "other") + words{"--seed", "2"});
    CHECK(content_of(folder / "other" / "model.safetensors") != model);
}

TEST_CASE("a run that was killed, resumed, killed and resumed ends with the same model as one never killed") {
    const temporary_folder folder;
    succeed(tiny(folder / "whole", 8));
    const fs::path run_path = folder / "killed";
    const int killed = 128 + SIGKILL;
    for (int attempt = 0; kill_midway(tiny(run_path, 8) + words{"--force"}, run_path) != killed; ++attempt) REQUIRE(attempt < 10); // on a busy machine
    CHECK(refusal(tiny(run_path, 8)) == "xray: " + run_path.string() + ": holds a run that was stopped; --resume goes on with it, --force overwrites it");
    const words resume{"train", "--resume", run_path.string(), "--threads", "2"};
    if (kill_midway(resume, run_path) == killed) succeed(resume);
    CHECK(content_of(run_path / "model.safetensors") == content_of(folder / "whole" / "model.safetensors"));
    CHECK(!fs::exists(run_path / "checkpoint.safetensors"));
}

TEST_CASE("Ctrl-C and SIGTERM stop in order and say how to go on") {
    for (const int signal : {SIGINT, SIGTERM}) {
        const temporary_folder folder;
        const fs::path run_path = folder / "run";
        process p{UMSREP_XRAY, tiny(run_path, 500)};
        wait_for_checkpoint(p, run_path);
        p.send(signal);
        CHECK(p.wait() == 128 + signal);
        CHECK(p.err().ends_with("xray: stopped; go on with: xray train --resume " + run_path.string() + "\n"));
        CHECK(fs::exists(run_path / "checkpoint.safetensors"));
        CHECK(!fs::exists(run_path / "model.safetensors"));
    }
}

TEST_CASE("a folder belongs to one training process at a time") {
    const temporary_folder folder;
    const fs::path run_path = folder / "run";
    process first{UMSREP_XRAY, tiny(run_path, 500)};
    wait_for_checkpoint(first, run_path);
    const std::string taken = "xray: " + run_path.string() + ": another process is training into it";
    CHECK(refusal({"train", "--resume", run_path.string()}) == taken);
    CHECK(refusal(tiny(run_path) + words{"--force"}) == taken);
    CHECK(first.running());
}

TEST_CASE("what a process that was killed while it wrote left behind goes away with the next run") {
    const temporary_folder folder;
    fs::create_directory(folder / "run");
    std::ofstream{folder / "run" / ".umsrep-1-0.tmp"} << "half a checkpoint";
    succeed(tiny(folder / "run", 1));
    CHECK(contents_of(folder / "run").size() == 5);
}

TEST_CASE("a finished run is overwritten with --force only") {
    const temporary_folder folder;
    const fs::path run_path = folder / "run";
    fs::copy(finished_run(), run_path);
    const auto before = contents_of(run_path);
    CHECK(refusal(tiny(run_path)) == "xray: " + run_path.string() + ": holds a finished run; --force overwrites it");
    CHECK(refusal({"train", "--resume", run_path.string()}) == "xray: " + run_path.string() + ": holds a finished run, nothing is left to resume");
    CHECK(contents_of(run_path) == before);
    succeed(tiny(run_path) + words{"--force", "--seed", "5"});
    CHECK(contents_of(run_path).at("model.safetensors") != before.at("model.safetensors"));
}

TEST_CASE("every strategy trains, and its model file is read back") {
    const temporary_folder folder;
    const std::string pretrained = (finished_run() / "model.safetensors").string();
    const std::vector<words> strategies{{"--strategy", "alternating"},
                                        {"--strategy", "separate"},
                                        {"--strategy", "independent", "--encoder", "last2", "--init", pretrained},
                                        {"--strategy", "independent", "--encoder", "frozen", "--init", pretrained},
                                        {"--strategy", "joint", "--encoder", "frozen", "--init", pretrained}};
    for (std::size_t i = 0; i < strategies.size(); ++i) {
        const fs::path run_path = folder / std::to_string(i);
        INFO(strategies[i][1] << ", run " << i);
        succeed(tiny(run_path, 1) + strategies[i]);
        succeed({"evaluate", "--simulated", "18", "--model", (run_path / "model.safetensors").string(), "--out", (folder / "e.json").string()});
        const auto trained = json_of(run_path / "metrics.json"), evaluated = json_of(folder / "e.json");
        for (const char* head : {"denoise", "lungs", "finding"}) CHECK(evaluated.at(head) == trained.at(head));
    }
    // a frozen encoder keeps its weights bit for bit, under either of the strategies
    using umsrep::io::safetensors;
    const safetensors start = safetensors::read(pretrained);
    for (const char* run_name : {"3", "4"}) {
        const safetensors frozen = safetensors::read(folder / run_name / "model.safetensors");
        for (const std::string& name : start.names())
            if (name.starts_with("encoder.")) CHECK_MESSAGE(frozen.values<float>(name) == start.values<float>(name), name);
    }
}

TEST_CASE("heads without labels are left out of training, the metrics and the predictions") {
    const temporary_folder folder;
    write_lungs(folder / "lungs", true);
    const words arguments{"train", "--lungs", (folder / "lungs" / "manifest.csv").string(), "--size", "32", "--epochs", "1", "--batch", "4",
                          "--out", (folder / "run").string()};
    const outcome o = run(arguments);
    INFO(o.err);
    REQUIRE(o.code == 0);
    CHECK(o.err.find("finding: no labels, not trained") != std::string::npos);
    CHECK(o.err.find("lungs: 1 labelled images") != std::string::npos);
    const auto metrics = json_of(folder / "run" / "metrics.json");
    CHECK(metrics.contains("denoise"));
    CHECK(metrics.at("lungs").at("images") == 1);
    CHECK(metrics.at("denoise").at("by_dataset").size() == 2);
    CHECK(!metrics.contains("finding"));
    write_picture(folder / "a.png", 32, 32);
    succeed({"predict", "--model", (folder / "run" / "model.safetensors").string(), (folder / "a.png").string(), "--out", (folder / "p").string()});
    CHECK(!json_of(folder / "p" / "a.json").contains("finding"));
}

TEST_CASE("findings and lungs from two datasets train together") {
    const temporary_folder folder;
    write_findings(folder / "findings");
    write_lungs(folder / "lungs");
    succeed({"train", "--findings", (folder / "findings").string(), "--lungs", (folder / "lungs" / "manifest.csv").string(), "--size", "32",
             "--epochs", "1", "--batch", "4", "--strategy", "independent", "--out", (folder / "run").string()});
    const auto metrics = json_of(folder / "run" / "metrics.json");
    CHECK(metrics.at("finding").at("images") == 6);
    CHECK(metrics.at("lungs").at("images") == 2);
    CHECK(metrics.at("denoise").at("images") == 8);
}

#else

TEST_CASE("the program examples/xray") { MESSAGE("skipped: it is not built (UMSREP_BUILD_EXAMPLES)"); }

#endif
