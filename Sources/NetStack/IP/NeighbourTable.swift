// Neighbours of one interface: which MAC has an IPv4 address (RFC 826), how sure we are of it
// (states after RFC 4861, 7.3.2), and the packets that wait for an answer. Pure: what is to be sent
// and what is released comes back as values. ARP on the wire is Host+ARP.swift.
//
// Allowed moves:   (none) → incomplete → reachable → stale → probe → reachable
//                              └→ failed → (none)              └→ incomplete
//
// A MAC is used in every state that has one; a stale one is used while it is being asked about.

import Bytes
import Link

/// An ARP request to be sent: to everybody, or to the MAC that is being checked.
struct NeighbourRequest: Equatable {
    var address: IPAddress
    var unicast: MACAddress?
}

struct NeighbourTable {
    static let reachableTime = Interval.seconds(30)
    static let retransmit = Interval.seconds(1)
    /// How long an unanswered address is shown as failed.
    static let failedTime = Interval.seconds(5)
    static let tries = 3
    static let limit = 512
    /// Packets and bytes that may wait for one neighbour.
    static let pendingLimit = 64
    static let pendingBytes = 256 << 10
    /// Searches under way at the same time: whoever makes us answer addresses where nobody is starts them. The oldest
    /// gives way.
    static let searchLimit = 128
    /// Bytes that may wait for all neighbours together; the first packet of each waits in any case.
    static let allPendingBytes = 2 << 20

    enum State: Equatable {
        case incomplete(tries: Int)
        case reachable(MACAddress)
        case stale(MACAddress)
        case probe(MACAddress, tries: Int)
        case failed
    }

    struct Entry {
        var state: State
        /// When the state ends by itself; stale never does.
        var due: Instant
        /// Whole frames without their destination MAC, oldest first.
        var pending: [[UInt8]] = []
        var pendingBytes = 0
        /// Packets of ours went there: worth more than what somebody only said.
        var isUsed = false
    }

    var entries: [IPAddress: Entry] = [:]
    /// Addresses in `incomplete`, the oldest search first.
    var searches: [IPAddress] = []
    var allPending = 0
    /// Frames that were given up to make room for other searches, since this was asked last.
    var evicted = 0
    /// Requests that wait to be sent.
    var requests: [NeighbourRequest] = []
    /// Addresses whose entries have a deadline that must be met.
    var timed: Set<IPAddress> = []

    /// The MAC of `address`, and until when that needs no further check. Without one the search has
    /// begun when this returns `nil`: `hold` the packet.
    mutating func lookup(_ address: IPAddress, now: Instant) -> (mac: MACAddress, until: Instant)? {
        guard let entry = entries[address] else {
            makeRoomForSearch()
            makeRoom()
            ask(address, .incomplete(tries: 1), now: now)
            return nil
        }
        if !entry.isUsed { entries[address]?.isUsed = true }
        switch entry.state {
        case .reachable(let mac) where now < entry.due: return (mac, entry.due)
        case .reachable(let mac), .stale(let mac):
            ask(address, .probe(mac, tries: 1), now: now)
            return (mac, now)
        case .probe(let mac, _): return (mac, now)
        case .incomplete: return nil
        case .failed:
            makeRoomForSearch()
            ask(address, .incomplete(tries: 1), now: now)
            return nil
        }
    }

    private mutating func ask(_ address: IPAddress, _ state: State, now: Instant) {
        entries[address, default: Entry(state: state, due: now)].state = state
        entries[address]?.due = now + Self.retransmit
        timed.insert(address)
        if case .incomplete(1) = state {
            entries[address]?.isUsed = true
            if !searches.contains(address) { searches.append(address) }
        }
        if case .probe(let mac, _) = state {
            requests.append(NeighbourRequest(address: address, unicast: mac))
        } else {
            requests.append(NeighbourRequest(address: address, unicast: nil))
        }
    }

    /// Keeps a frame until `address` is known. The first is never lost; when too many wait, the new
    /// one is refused: its sender has others on the way.
    mutating func hold(_ frame: [UInt8], for address: IPAddress) -> Bool {
        guard var entry = entries[address] else { return false }
        let isRoom =
            entry.pending.count < Self.pendingLimit && entry.pendingBytes + frame.count <= Self.pendingBytes
            && allPending + frame.count <= Self.allPendingBytes
        guard entry.pending.isEmpty || isRoom else { return false }
        entries[address] = nil  // keeps the array below uniquely referenced
        entry.pending.append(frame)
        entry.pendingBytes += frame.count
        allPending += frame.count
        entries[address] = entry
        return true
    }

    /// Takes what an ARP packet says about its sender (RFC 826, "merge"); returns the frames that
    /// waited for it. A new entry is made only when `creating` (the packet was for us).
    mutating func learn(
        _ address: IPAddress, _ mac: MACAddress, creating: Bool, isAnswer: Bool, now: Instant
    ) -> [[UInt8]] {
        guard var entry = entries[address] else {
            guard creating else { return [] }
            makeRoom()
            entries[address] = Entry(state: .stale(mac), due: now)
            return []
        }
        switch entry.state {
        case .reachable(mac), .probe(mac, _), .stale(mac):
            guard isAnswer else { return [] }
            entry.state = .reachable(mac)
        case .reachable, .probe, .stale, .failed:
            entry.state = isAnswer ? .reachable(mac) : .stale(mac)
        case .incomplete: entry.state = .reachable(mac)
        }
        let released = entry.pending
        allPending -= entry.pendingBytes
        searches.removeAll { $0 == address }
        entry.pending = []
        entry.pendingBytes = 0
        entry.due = now + Self.reachableTime
        entries[address] = entry
        timed.remove(address)
        return released
    }

    /// Repeats requests that are due; returns the frames whose neighbour did not answer.
    mutating func advance(to now: Instant) -> [(IPAddress, [[UInt8]])] {
        guard let deadline = nextDeadline, deadline <= now else { return [] }
        var failed: [(IPAddress, [[UInt8]])] = []
        for address in timed.sorted() {
            guard let entry = entries[address], entry.due <= now else { continue }
            switch entry.state {
            case .incomplete(let tries) where tries < Self.tries:
                ask(address, .incomplete(tries: tries + 1), now: now)
            case .probe(let mac, let tries) where tries < Self.tries:
                ask(address, .probe(mac, tries: tries + 1), now: now)
            case .probe: ask(address, .incomplete(tries: 1), now: now)
            case .incomplete:
                if !entry.pending.isEmpty { failed.append((address, entry.pending)) }
                allPending -= entry.pendingBytes
                searches.removeAll { $0 == address }
                entries[address] = Entry(state: .failed, due: now + Self.failedTime)
            case .failed: remove(address)
            case .reachable, .stale: timed.remove(address)
            }
        }
        return failed
    }

    var nextDeadline: Instant? { timed.lazy.compactMap { entries[$0]?.due }.min() }

    mutating func nextRequest() -> NeighbourRequest? { requests.isEmpty ? nil : requests.removeFirst() }

    /// The link went away, and with it what was known: behind the next one may be somebody else. Searches whose packets
    /// wait are kept for `restart`.
    mutating func forget() {
        requests = []
        for (address, entry) in entries {
            if case .incomplete = entry.state { continue }
            remove(address)
        }
    }

    /// The link is back: searches begin again.
    mutating func restart(now: Instant) {
        requests = []
        for address in entries.keys.sorted() { ask(address, .incomplete(tries: 1), now: now) }
    }

    /// The least known entry makes room when the table is full: a failed search, then what somebody said of himself, then
    /// a search, then what our packets go to; of equals the one that was heard of longest ago.
    private mutating func makeRoom() {
        guard entries.count >= Self.limit else { return }
        let victim = entries.min {
            (rank($0.value), $0.value.due, $0.key) < (rank($1.value), $1.value.due, $1.key)
        }
        if let victim { giveUp(victim.key) }
    }

    private func rank(_ entry: Entry) -> Int {
        switch entry.state {
        case .failed: 0
        case .stale, .reachable, .probe: entry.isUsed ? 3 : 1
        case .incomplete: 2
        }
    }

    private mutating func makeRoomForSearch() {
        while searches.count >= Self.searchLimit, let oldest = searches.first { giveUp(oldest) }
    }

    private mutating func giveUp(_ address: IPAddress) {
        evicted += entries[address]?.pending.count ?? 0
        remove(address)
    }

    /// How many frames were given up for others since this was asked last.
    mutating func takeEvicted() -> Int {
        defer { evicted = 0 }
        return evicted
    }

    private mutating func remove(_ address: IPAddress) {
        allPending -= entries[address]?.pendingBytes ?? 0
        searches.removeAll { $0 == address }
        requests.removeAll { $0.address == address }
        entries[address] = nil
        timed.remove(address)
    }
}
