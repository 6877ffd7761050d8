// SPDX-License-Identifier: MIT
#include <csignal>
#include <exception>
#include <iostream>
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
    std::string folder;
    try {
        const xray::command command = xray::parse(argc, argv);
        if (const auto* help = std::get_if<xray::help>(&command)) {
            std::cout << help->text;
        } else if (const auto* train = std::get_if<xray::train_options>(&command)) {
            folder = (train->resume.empty() ? train->out : train->resume).string();
            run(*train);
        } else if (const auto* evaluate = std::get_if<xray::evaluate_options>(&command)) {
            run(*evaluate);
        } else if (const auto* predict = std::get_if<xray::predict_options>(&command)) {
            run(*predict);
        }
        return 0;
    } catch (const xray::interrupted&) {
        std::cerr << "\nxray: stopped; go on with: xray train --resume " << folder << '\n';
        return 128 + xray::stop_signal(); // as a shell reports a program that the signal ended
    } catch (const xray::usage_error& wrong) {
        return fail(wrong.message + " (xray --help)");
    } catch (const std::exception& wrong) {
        return fail(wrong.what());
    }
}
