// SPDX-License-Identifier: MIT
#include <csignal>
#include <exception>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>

#include <umsrep/core/error.hpp>

#include "commands.hpp"
#include "session.hpp"

namespace {

constexpr int wrong_use = 2;

int fail(std::string message) {
    for (char& c : message)
        if (c == '\n') c = ' ';
    std::cerr << "xray: " << message << '\n';
    return wrong_use;
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGXFSZ, SIG_IGN); // a limit on the size of files is then reported as a full disk is, instead of ending the program
    std::string folder, large;
    try {
        const xray::command command = xray::parse(argc, argv);
        if (const auto* help = std::get_if<xray::help>(&command)) {
            std::cout << help->text;
        } else if (const auto* train = std::get_if<xray::train_options>(&command)) {
            folder = (train->resume.empty() ? train->out : train->resume).string();
            large = train->resume.empty() ? ": --size " + std::to_string(train->size) + " with --batch " + std::to_string(train->batch) + " is too much"
                                          : ": the size and batch of " + folder + " are too much";
            run(*train);
        } else if (const auto* evaluate = std::get_if<xray::evaluate_options>(&command)) {
            large = ": the images of --split " + evaluate->split + " are too much";
            run(*evaluate);
        } else if (const auto* predict = std::get_if<xray::predict_options>(&command)) {
            large = ": the images are too much";
            run(*predict);
        }
        std::cout.flush();
        return std::cout ? 0 : fail("standard output: cannot be written");
    } catch (const xray::interrupted&) {
        std::cerr << "\nxray: stopped; go on with: xray train --resume " << folder << '\n';
        return 128 + xray::stop_signal(); // as a shell reports a program that the signal ended
    } catch (const xray::usage_error& wrong) {
        return fail(wrong.message + " (xray --help)");
    } catch (const std::bad_alloc&) {
        return fail("out of memory" + large);
    } catch (const std::length_error&) {
        return fail("out of memory" + large);
    } catch (const std::exception& wrong) {
        return fail(wrong.what());
    }
}
