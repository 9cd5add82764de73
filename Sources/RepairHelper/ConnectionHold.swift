// How two helpers of one network namespace meet. On one host a destination may put connections up only when the source's
// helper has let them go, and nothing orders the two: the source's passt has given its state away before it closes its
// helper. Both ask the kernel, which knows every connection of the namespace: what a helper holds bears a mark (SO_MARK),
// and whoever is given sockets for new connections waits until nothing does. Setting that mark takes CAP_NET_ADMIN, and
// there is no name that somebody could take. The other way round the source's helper asks whether what it let go is there again.
//
//   source's helper    mark ............ release ... unmark ....... are they there again? ... end
//   destination's      on, fresh sockets: does anything bear the mark? ... no -> switch ...

import Glibc
import Linux

/// The mark of connections in repair mode that wait for their release.
enum HoldMark {
    /// "netr". Such a socket sends nothing, so no rule of the packet filter ever sees it.
    static let value: UInt32 = 0x6e65_7472

    /// Marks a connection; its former mark, or nil when it cannot be marked: then nobody waits for it.
    static func put(on fd: CInt) -> UInt32? {
        guard let before = mark(of: fd), before != value, set(value, on: fd) else { return nil }
        return before
    }

    /// Takes the mark away, also one that a helper left that was killed.
    static func remove(from fd: CInt, former: UInt32 = 0) {
        if mark(of: fd) == value { _ = set(former, on: fd) }
    }

    private static func mark(of fd: CInt) -> UInt32? {
        var mark: UInt32 = 0
        var size = socklen_t(MemoryLayout<UInt32>.size)
        return getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size) == 0 ? mark : nil
    }

    private static func set(_ mark: UInt32, on fd: CInt) -> Bool {
        var mark = mark
        return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, socklen_t(MemoryLayout<UInt32>.size)) == 0
    }
}

/// Waiting for other helpers of the network namespace. A kernel that answers no questions is not waited for.
struct OtherHelpers: ~Copyable {
    private static let step = 10
    private let diagnosis: SocketDiagnosis?
    /// Milliseconds that one conversation waits for releases, however many sockets it brings.
    private var patience: Int

    init(patience: Int) {
        self.patience = patience
        do { diagnosis = try SocketDiagnosis() } catch { diagnosis = nil }
    }

    /// Waits until nobody holds connections but the caller, who has marked `own`.
    mutating func awaitRelease(own: Int) {
        while patience > 0, let count = held(), count > own {
            pause(milliseconds: Self.step)
            patience -= Self.step
        }
    }

    private func held() -> Int? {
        switch diagnosis {
        case .some(let diagnosis): try? diagnosis.connections(marked: HoldMark.value)
        case .none: nil
        }
    }

    /// Waits until each of `connections` is there again; at most `milliseconds` in which none comes back, for they may be
    /// on another host now.
    func awaitReturn(of connections: [ConnectionEnds], milliseconds: Int) {
        var missing = connections
        var left = milliseconds / Self.step
        while left > 0 {
            let still = missing.filter { !isBack($0) }
            if still.isEmpty { return }
            left = still.count < missing.count ? milliseconds / Self.step : left - 1
            missing = still
            pause(milliseconds: Self.step)
        }
    }

    private func isBack(_ ends: ConnectionEnds) -> Bool {
        switch diagnosis {
        case .some(let diagnosis): (try? diagnosis.hasConnection(ends.local, ends.remote)) ?? false
        case .none: false
        }
    }
}

/// Both ends of a connection, seen from the socket that was let go.
struct ConnectionEnds: Equatable {
    let local: InternetSocketAddress
    let remote: InternetSocketAddress

    /// nil for a socket that is not connected.
    init?(of fd: CInt) {
        guard let local = try? InternetSocketAddress.local(of: fd),
            let remote = try? InternetSocketAddress.remote(of: fd)
        else { return nil }
        self.local = local
        self.remote = remote
    }
}
