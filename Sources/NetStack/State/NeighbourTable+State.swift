// What is known of neighbours on its way to another process: states with what is left of their time, searches with the
// packets that wait for them, requests that have not left.

import Bytes
import Link

extension NeighbourTable {
    /// An entry as it is written.
    private struct Listed: StateCoded {
        var address: IPAddress
        var entry: Entry
        static var blank: Listed { Listed(address: .any, entry: Entry(state: .failed, due: Instant(nanoseconds: 0))) }

        mutating func code(_ coder: inout StateCoder) throws(StateError) {
            try address.code(&coder)
            try entry.state.code(&coder)
            try coder.instant(&entry.due)
            try coder.flag(&entry.isUsed)
            let longest = EthernetHeader.size + 65_535
            try coder.strings(
                &entry.pending, limit: NeighbourTable.pendingLimit, length: longest, "packets for a neighbour")
            entry.pendingBytes = entry.pending.reduce(0) { $0 + $1.count }
        }
    }

    /// Addresses in order, then searches in the order of their beginning, requests, and what was given up.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var listed = entries.sorted { $0.key < $1.key }.map { Listed(address: $0.key, entry: $0.value) }
        try coder.list(&listed, limit: Self.limit, "number of neighbours")
        try coder.list(&searches, limit: Self.limit, "number of searches")
        try coder.list(&requests, limit: 1 << 16, "number of requests")
        try coder.count(&evicted, in: 0...Int(Int32.max), "packets given up")
        if coder.isReading { try restore(listed) }
    }

    private mutating func restore(_ listed: [Listed]) throws(StateError) {
        entries = [:]
        (timed, allPending) = ([], 0)
        var searching: Set<IPAddress> = []
        for one in listed {
            guard entries.updateValue(one.entry, forKey: one.address) == nil else { throw .impossible("a neighbour") }
            allPending += one.entry.pendingBytes
            switch one.entry.state {
            case .incomplete:
                searching.insert(one.address)
                timed.insert(one.address)
            case .probe, .failed: timed.insert(one.address)
            case .reachable, .stale: break
            }
        }
        guard Set(searches) == searching, searches.count == searching.count else {
            throw .impossible("searches for neighbours")
        }
    }
}

extension NeighbourTable.State {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, mac, tries): (UInt8, MACAddress, Int) = (0, .blank, 1)
        switch self {
        case .incomplete(let asked): (kind, tries) = (1, asked)
        case .reachable(let known): (kind, mac) = (2, known)
        case .stale(let known): (kind, mac) = (3, known)
        case .probe(let known, let asked): (kind, mac, tries) = (4, known, asked)
        case .failed: kind = 5
        }
        try coder.integer(&kind)
        try mac.code(&coder)
        try coder.count(&tries, in: 1...NeighbourTable.tries, "requests for a neighbour")
        switch kind {
        case 1: self = .incomplete(tries: tries)
        case 2: self = .reachable(mac)
        case 3: self = .stale(mac)
        case 4: self = .probe(mac, tries: tries)
        case 5: self = .failed
        default: throw .impossible("state of a neighbour")
        }
    }
}

extension NeighbourRequest: StateCoded {
    static var blank: NeighbourRequest { NeighbourRequest(address: .any, unicast: nil) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try address.code(&coder)
        try coder.optional(&unicast)
    }
}
