// The first words of a netemu: on a terminal, what runs there and how to leave; without anybody to talk to, on standard
// error, how it can be ended and what it could have been told. And what will not work as it was asked for.

import Glibc

/// What is said once, before the guest starts.
struct Greeting {
    /// For the terminal.
    var banner: String?
    /// For standard error.
    var remarks: [String] = []
    /// Standard input is a pipe or a file, and nothing on the command line reads it.
    var isInputUnread = false
    /// What would.
    static let inputReaders = "-monitor stdio or -serial stdio would read it"

    init() {}

    init(_ configuration: Configuration, at input: StandardStream.Input) {
        isInputUnread = input == .other && !configuration.readsInput
        let running = configuration.incoming == nil ? Self.running(configuration) : "waiting for a guest"
        if configuration.sharesTerminal {
            let keys = "Ctrl-A c changes to the monitor, Ctrl-A x ends netemu"
            banner =
                configuration.console != nil
                ? "netemu: \(running). Type help for the node's tools; \(keys)" : "netemu: \(running). quit ends netemu"
        } else if configuration.isUnattended, !configuration.readsPipe {
            let leave = input == .terminal ? "Ctrl-C" : "kill \(getpid())"
            remarks = [
                "\(running), with no console and no monitor; \(leave) ends it",
                "-guest node,run='…' gives the node a task, -monitor unix:PATH,server=on,wait=off a monitor",
            ]
        }
    }

    /// `running, a card on passt`.
    private static func running(_ configuration: Configuration) -> String {
        let cards = configuration.network.filter { if case .card = $0 { true } else { false } }.count
        var kinds: [String] = []
        for case .netdev(_, let plan) in configuration.network {
            guard let kind = plan.kind, !kinds.contains(type(of: kind).name) else { continue }
            kinds.append(type(of: kind).name)
        }
        let what = cards == 0 ? "no card" : cards == 1 ? "a card" : "\(cards) cards"
        return "running, \(what)" + (kinds.isEmpty ? "" : " on \(kinds.joined(separator: ", "))")
    }
}

extension Configuration {
    /// Somebody reads standard input, or a task makes plain that nobody does.
    var readsInput: Bool {
        guest.hasTask || process.isDaemon || chardevs.contains { if case .stdio = $0.kind { true } else { false } }
    }

    /// A guest that asks for its address, and a back-end that was told to give none.
    var addressWarnings: [String] {
        guard guest.asksForAddress else { return [] }
        return network.compactMap { step in
            guard case .netdev(_, let plan) = step, let key = plan.kind?.withholdsAddress else { return nil }
            let place = plan.location.map { "\($0): " } ?? ""
            return "\(place)with \(key) the guest gets no address: it asks by DHCP for IPv4, and knows no other way"
        }
    }
}
