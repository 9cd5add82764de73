// How two helpers of one network namespace meet. On one host a destination may put connections up only
// when the source's helper has let them go, and nothing orders the two: the source's passt has given its
// state away before it closes its helper. So a helper that holds connections shows it by a name of the
// abstract name space, which is the network namespace's as the connections are, and a helper that is given
// sockets for new connections lets those holds end first; it shows itself, too, so that ports stay silent until
// its connections are there. The kernel ends a hold with its process.
//
//   source's helper    bind+listen @netemu-repair.N ..... release ... close ...... connect to every to.N, wait
//   destination's      on, fresh sockets: @netemu-repair.to.N; connect to every N ... hang-up -> switch ... end

import Glibc
import Linux

/// Connections in repair mode that wait for their release, or are being put up; while the value lives, others of the
/// namespace know it.
struct ConnectionHold: ~Copyable {
    /// What is shown; the first part of the name.
    enum Kind: String {
        case leaving = "netemu-repair."
        case arriving = "netemu-repair.to."
    }

    private let listener: FileDescriptor
    let number: Int
    static let names = 0..<16

    /// nil when all names are taken: then nobody waits for this one.
    init?(_ kind: Kind) {
        for number in Self.names {
            guard let listener = try? UnixSocket.listen(atAbstract: kind.rawValue + "\(number)") else { continue }
            self.listener = listener
            self.number = number
            return
        }
        return nil
    }

    /// Waits until the connections that are held at this moment are let go, but for the caller's own `number`; about
    /// `milliseconds` at most: whoever keeps a name, for whatever reason, can delay others, not stop them.
    static func awaitOthers(than number: Int?, milliseconds: Int) {
        var steps = milliseconds / step
        for other in names where other != number { _ = awaitEnd(of: .leaving, other, &steps) }
    }

    /// Waits until those who are putting connections up have ended; `milliseconds` for one to show itself, and as long
    /// again for each of them.
    static func awaitArrival(milliseconds: Int) {
        for _ in 0..<milliseconds / step {
            var isSeen = false
            for number in names {
                var steps = milliseconds / step
                if awaitEnd(of: .arriving, number, &steps) { isSeen = true }
            }
            if isSeen { return }
            pause(milliseconds: step)
        }
    }

    private static let step = 10

    /// Nobody accepts the connection; it hangs up when the hold ends. False when there is no such hold.
    private static func awaitEnd(of kind: Kind, _ number: Int, _ steps: inout Int) -> Bool {
        var isSeen = false
        while steps > 0 {
            do {
                let socket = try UnixSocket.connect(toAbstract: kind.rawValue + "\(number)")
                while steps > 0, (try? waitReadable(socket.raw, milliseconds: step)) == false { steps -= 1 }
                return true
            } catch {
                // A full backlog: so many wait already. Anything else: there is no such hold.
                guard error.code == EAGAIN else { return isSeen }
                isSeen = true
                pause(milliseconds: step)
                steps -= 1
            }
        }
        return isSeen
    }
}
