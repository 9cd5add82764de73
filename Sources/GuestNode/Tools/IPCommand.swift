// ip: shows links, addresses, routes and neighbours the way iproute2 does. It changes nothing:
// the node's addresses come from DHCP and its link from the monitor (`set_link`).

import Bytes
import Link
import NetStack

/// What `ip` was asked to show.
struct IPCommand: Equatable, Sendable {
    enum Object: String, CaseIterable, Sendable { case address, link, neighbour, route }

    private let object: Object
    private var isBrief = false
    private var showsCounters = false
    private var device: String?

    init(_ arguments: [String]) throws(UsageError) {
        var words = arguments[...]
        while let option = words.first, option.hasPrefix("-") {
            switch option {
            case "-br", "-brief": isBrief = true
            case "-s", "-stats", "-statistics": showsCounters = true
            case "-4", "-o": break
            default: throw .unknownOption(option)
            }
            words.removeFirst()
        }
        guard let word = words.popFirst() else { throw .missingOperand("what to show: addr, link, neigh or route") }
        guard let object = Self.object(word) else {
            throw .badValue(option: "object", value: word, accepted: "addr, link, neigh and route are accepted")
        }
        self.object = object
        try readSelection(words)
    }

    /// iproute2 accepts each object by any of its first letters.
    private static func object(_ word: String) -> Object? {
        let names: [(String, Object)] = [
            ("address", .address), ("addr", .address), ("link", .link), ("neighbour", .neighbour),
            ("neighbor", .neighbour), ("route", .route),
        ]
        return names.first { !word.isEmpty && $0.0.hasPrefix(word) }?.1
    }

    private mutating func readSelection(_ words: ArraySlice<String>) throws(UsageError) {
        var words = words
        if let verb = words.first {
            if ["show", "list", "ls", "sh", "s", "l"].contains(verb) {
                words.removeFirst()
            } else if ["add", "del", "delete", "set", "change", "replace", "flush", "get"].contains(verb) {
                throw .badValue(option: "command", value: verb, accepted: "only show is accepted")
            }
        }
        if words.first == "dev" {
            words.removeFirst()
            guard !words.isEmpty else { throw .missingValue(option: "dev") }
        }
        device = words.popFirst()
        if let extra = words.first { throw .extraOperand(extra) }
    }

    /// Prints and returns the exit status.
    func run(_ context: inout ToolContext, now: Instant) -> Int32 {
        let interfaces = context.host.interfaces()
        if let device, !interfaces.contains(where: { $0.name == device }) {
            context.complain("Device \"\(device)\" does not exist.\n")
            return ExitStatus.failure
        }
        let shown = interfaces.filter { device == nil || $0.name == device }
        switch object {
        case .address, .link: for entry in shown { context.print(isBrief ? brief(entry) : full(entry, now)) }
        case .route: for route in context.host.routes() { context.print(line(route, interfaces)) }
        case .neighbour: for neighbour in context.host.neighbours() { context.print(line(neighbour, interfaces)) }
        }
        return ExitStatus.success
    }

    private func brief(_ entry: InterfaceEntry) -> String {
        let isLoopback = entry.id == .loopback
        let state = isLoopback ? "UNKNOWN" : entry.isUp ? "UP" : "DOWN"
        var text = padded(entry.name, to: 16) + " " + padded(state, to: 14) + " "
        if object == .link {
            text += "\(entry.mac) \(flags(entry)) "
        } else {
            for address in entry.addresses { text += "\(address) " }
        }
        return text + "\n"
    }

    private func flags(_ entry: InterfaceEntry) -> String {
        if entry.id == .loopback { return "<LOOPBACK,UP,LOWER_UP>" }
        return entry.isUp ? "<BROADCAST,MULTICAST,UP,LOWER_UP>" : "<NO-CARRIER,BROADCAST,MULTICAST,UP>"
    }

    private func full(_ entry: InterfaceEntry, _ now: Instant) -> String {
        let isLoopback = entry.id == .loopback
        let state = isLoopback ? "UNKNOWN" : entry.isUp ? "UP" : "DOWN"
        var text = "\(entry.id.rawValue + 1): \(entry.name): \(flags(entry)) mtu \(entry.mtu) state \(state)\n"
        text +=
            isLoopback
            ? "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
            : "    link/ether \(entry.mac) brd ff:ff:ff:ff:ff:ff\n"
        if object == .address {
            for address in entry.addresses { text += inet(address, of: entry, now) }
        }
        if showsCounters { text += counters(entry.counters) }
        return text
    }

    private func inet(_ address: IPPrefix, of entry: InterfaceEntry, _ now: Instant) -> String {
        let isLeased = entry.dhcp != .off
        let broadcast = entry.id == .loopback ? "" : address.broadcast.map { " brd \($0)" } ?? ""
        let scope = entry.id == .loopback ? "host" : "global"
        let left = entry.leaseEnds.map { "\(max(0, $0.since(now).milliseconds / 1000))sec" } ?? "forever"
        return "    inet \(address)\(broadcast) scope \(scope)\(isLeased ? " dynamic" : "") \(entry.name)\n"
            + "       valid_lft \(left) preferred_lft \(left)\n"
    }

    private func counters(_ counters: InterfaceCounters) -> String {
        func row(_ values: [UInt64]) -> String {
            "    " + values.map { padded(String($0), to: 12) }.joined(separator: " ") + "\n"
        }
        let errors = counters.malformed &+ counters.badChecksum
        return "    RX:  bytes       packets      errors       dropped\n"
            + row([counters.receivedBytes, counters.received, errors, counters.receiveDrops &- errors])
            + "    TX:  bytes       packets      errors       dropped\n"
            + row([counters.transmittedBytes, counters.transmitted, 0, counters.transmitDrops])
    }

    private func line(_ route: RouteEntry, _ interfaces: [InterfaceEntry]) -> String {
        guard let entry = interfaces.first(where: { $0.id == route.interface }) else { return "" }
        guard device == nil || entry.name == device else { return "" }
        var text = route.destination == .everything ? "default" : "\(route.destination)"
        if let gateway = route.gateway { text += " via \(gateway)" }
        text += " dev \(entry.name) proto \(route.origin.rawValue)"
        if route.gateway == nil { text += " scope link" }
        if let source = entry.addresses.first?.address { text += " src \(source)" }
        if route.metric > 0 { text += " metric \(route.metric)" }
        if !entry.isUp { text += " linkdown" }
        return text + "\n"
    }

    private func line(_ neighbour: NeighbourEntry, _ interfaces: [InterfaceEntry]) -> String {
        guard let entry = interfaces.first(where: { $0.id == neighbour.interface }) else { return "" }
        guard device == nil || entry.name == device else { return "" }
        let mac = neighbour.mac.map { " lladdr \($0)" } ?? ""
        return "\(neighbour.address) dev \(entry.name)\(mac) \(neighbour.state.rawValue.uppercased())\n"
    }
}
