// A host on its way to another process. Version 1, each part a section of its own:
//
//      host        name, random numbers, errors that may still be sent, something was carried to itself
//      interface   32-bit count of them, lo first: who it is; link, MTU, addresses, lease and DHCP client, watches,
//                  neighbours and the packets that wait for them, fragments, packets that wait to leave, counters
//      routes, echo, udp, resolver, name-streams
//      tcp         as TCPLayer writes it
//
// Times are distances from the host's own clock, which goes on where it stood: whoever drives a host hands it times of
// one clock all its life (GuestNode's Node does). Interfaces are there on both sides, with equal names, MACs and sizes;
// their numbers, and those of sockets, sessions and queries, stay what they were.

import Bytes

extension Host: Movable {
    /// What the section is called.
    public static var kind: String { "host" }
    /// The version above.
    public static var version: UInt16 { 1 }

    /// Writes everything down; nothing changes.
    public func encode(into out: inout StateEncoder, now: Instant) {
        var coder = StateCoder()
        coder.now = now
        // Only reading can fail.
        try? code(&coder)
        out.append(coder.encoder)
    }

    /// The host has its interfaces and nothing else; nothing was opened on it.
    public func decode(from input: inout StateDecoder, version: UInt16, now: Instant) throws(StateError) {
        guard udp.table().isEmpty, nameStreams.isEmpty, resolver.queries.isEmpty else {
            throw .impossible("a host that is in use")
        }
        var coder = StateCoder(reading: input)
        coder.now = now
        try code(&coder)
        input = coder.decoder
        lastNow = now
        tableGeneration &+= 1
        relearnLocals()
    }

    private func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.section("host", version: 1) { (coder) throws(StateError) in
            try coder.text(&hostname, limit: 1024, "name of a host")
            try random.code(&coder)
            try icmpErrors.code(&coder)
            try coder.flag(&hasCarried)
            try coder.integer(&lastInterface)
        }
        try codeInterfaces(&coder)
        try coder.section("routes", version: 1) { (coder) throws(StateError) in try routing.code(&coder) }
        try coder.section("echo", version: 1) { (coder) throws(StateError) in try echoes.code(&coder) }
        try coder.section("udp", version: 1) { (coder) throws(StateError) in try udp.code(&coder) }
        try coder.section("resolver", version: 1) { (coder) throws(StateError) in try resolver.code(&coder) }
        try coder.section("name-streams", version: 1) { (coder) throws(StateError) in
            try coder.list(&nameStreams, limit: Resolver.queryLimit, "number of name streams")
        }
        try coder.part(tcp)
    }

    private func codeInterfaces(_ coder: inout StateCoder) throws(StateError) {
        var count = attached.count
        try coder.count(&count, atMost: 1 << 16, "number of interfaces")
        guard count == attached.count else {
            throw .impossible("number of interfaces: \(count) there, \(attached.count) here")
        }
        var successors: [NetworkInterface] = []
        for interface in attached {
            try coder.section("interface", version: 1) { (coder) throws(StateError) in
                successors.append(try interface.coded(&coder, hostname: hostname))
            }
        }
        guard coder.isReading else { return }
        let numbers = successors.map(\.id)
        let isOrdered = numbers.first == .loopback && Set(numbers).count == numbers.count
        try coder.require(isOrdered && numbers.allSatisfy { $0.rawValue <= lastInterface }, "numbers of interfaces")
        attached = successors
    }
}

extension RateLimit {
    mutating func code(_ coder: inout StateCoder) throws(StateError) { try coder.instant(&full) }
}

extension RoutingTable {
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.list(&entries, limit: 1 << 16, "number of routes")
    }
}

extension AddressWatch: StateCoded {
    static var blank: AddressWatch { AddressWatch(.any, isLeased: false, now: Instant(nanoseconds: 0)) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (address, isLeased, start) = (address, isLeased, start)
        try address.code(&coder)
        try coder.flag(&isLeased)
        try coder.instant(&start)
        if coder.isReading { self = AddressWatch(address, isLeased: isLeased, now: start) }
        try coder.count(&step, in: 0...Self.schedule.count, "step of a watch")
        try coder.instant(&lastConflict)
    }
}
