// Who watches which descriptor. epoll(7) knows a descriptor once and refuses a second registration; here it may
// have several watches, an input's and an output's for one, and epoll is told what they want together. An event
// of a registration that ended in the same turn is recognised by a generation number. No system call here.

import CLinux
import Glibc

/// What a descriptor is watched for, and what was found (epoll(7)). Hang-up and error are reported to every watch
/// that watches for anything.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// EPOLLIN: bytes, a connection or the end of file.
    public static let readable = Readiness(rawValue: EPOLLIN.rawValue)
    /// EPOLLOUT: room for bytes, or a connection attempt is over.
    public static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
    /// EPOLLRDHUP: the peer sends no more.
    public static let peerClosed = Readiness(rawValue: EPOLLRDHUP.rawValue)
    /// EPOLLHUP; told whether it is watched for or not.
    public static let hangUp = Readiness(rawValue: EPOLLHUP.rawValue)
    /// EPOLLERR; told whether it is watched for or not.
    public static let failed = Readiness(rawValue: EPOLLERR.rawValue)
    /// Asked for, never found: readiness is told when it comes and not again while it lasts. For what is not read. Where
    /// somebody else watches the descriptor without it, it is told again.
    public static let edges = Readiness(rawValue: EPOLLET.rawValue)
}

/// Names one watch of a descriptor until it is removed.
public struct WatchID: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
}

/// The watches of a reactor, by name and by descriptor.
struct WatchTable {
    private struct Watch {
        var generation: UInt32 = 0
        var fd: CInt = -1
        var interest: Readiness = []
        var handler: ((Readiness) -> Void)?
    }

    /// A descriptor that is or was watched.
    private struct Descriptor {
        /// Counts its registrations.
        var generation: UInt32 = 0
        var watches: [WatchID] = []
    }

    /// What epoll is to be told of a descriptor.
    struct Registration {
        let events: UInt32
        let tag: UInt64
        /// How many watches there are; epoll forgets a descriptor that has none.
        let watchers: Int
    }

    private var watches: [Watch] = []
    private var free: [UInt32] = []
    /// By number.
    private var descriptors: [Descriptor] = []

    var count: Int { watches.count - free.count }

    /// - Parameter fd: not negative.
    mutating func add(_ fd: CInt, _ interest: Readiness, _ handler: @escaping (Readiness) -> Void) -> WatchID {
        let slot = free.popLast() ?? UInt32(watches.count)
        if slot == watches.count { watches.append(Watch()) }
        while descriptors.count <= fd { descriptors.append(Descriptor()) }
        watches[Int(slot)].fd = fd
        watches[Int(slot)].interest = interest
        watches[Int(slot)].handler = handler
        let id = WatchID(slot: slot, generation: watches[Int(slot)].generation)
        descriptors[Int(fd)].watches.append(id)
        return id
    }

    /// Returns the descriptor; nil for a watch that was removed.
    mutating func change(_ id: WatchID, to interest: Readiness) -> CInt? {
        guard isCurrent(id) else { return nil }
        watches[Int(id.slot)].interest = interest
        return watches[Int(id.slot)].fd
    }

    /// Returns the descriptor; nil for a watch that was removed.
    @discardableResult
    mutating func remove(_ id: WatchID) -> CInt? {
        guard isCurrent(id) else { return nil }
        let fd = watches[Int(id.slot)].fd
        retire(id)
        descriptors[Int(fd)].watches.removeAll { $0 == id }
        if descriptors[Int(fd)].watches.isEmpty { descriptors[Int(fd)].generation &+= 1 }
        return fd
    }

    /// The number means another file now: whoever watched the former one is told nothing any more.
    mutating func keepNewest(_ fd: CInt) {
        for id in descriptors[Int(fd)].watches.dropLast() { retire(id) }
        descriptors[Int(fd)].watches.removeFirst(descriptors[Int(fd)].watches.count - 1)
        descriptors[Int(fd)].generation &+= 1
    }

    /// What the watches of a descriptor want together. When they want nothing it stays registered, edge-triggered: a
    /// hang-up then does not wake anybody turn after turn.
    func registration(of fd: CInt) -> Registration {
        let descriptor = descriptors[Int(fd)]
        var wanted: Readiness = []
        var areEdgesEnough = true
        for id in descriptor.watches where !watches[Int(id.slot)].interest.isEmpty {
            wanted.formUnion(watches[Int(id.slot)].interest)
            areEdgesEnough = areEdgesEnough && watches[Int(id.slot)].interest.contains(.edges)
        }
        if !areEdgesEnough { wanted.remove(.edges) }
        return Registration(
            events: wanted.isEmpty ? EPOLLET.rawValue : wanted.rawValue,
            tag: UInt64(descriptor.generation) << 32 | UInt64(UInt32(bitPattern: fd)),
            watchers: descriptor.watches.count)
    }

    /// Who watches what an event is about; empty when that registration is over.
    func watches(tag: UInt64) -> [WatchID] {
        let fd = Int(UInt32(truncatingIfNeeded: tag))
        guard fd < descriptors.count, descriptors[fd].generation == UInt32(tag >> 32) else { return [] }
        return descriptors[fd].watches
    }

    /// What a watch is to be told of `found`; nil for nothing.
    func call(_ id: WatchID, _ found: Readiness) -> (handler: (Readiness) -> Void, readiness: Readiness)? {
        guard isCurrent(id), let handler = watches[Int(id.slot)].handler else { return nil }
        let interest = watches[Int(id.slot)].interest
        guard !interest.isEmpty else { return nil }
        let told = found.intersection(interest.union([.hangUp, .failed]))
        return told.isEmpty ? nil : (handler, told)
    }

    private func isCurrent(_ id: WatchID) -> Bool {
        Int(id.slot) < watches.count && watches[Int(id.slot)].generation == id.generation
            && watches[Int(id.slot)].handler != nil
    }

    private mutating func retire(_ id: WatchID) {
        watches[Int(id.slot)].generation &+= 1
        watches[Int(id.slot)].handler = nil
        watches[Int(id.slot)].fd = -1
        free.append(id.slot)
    }
}
