// Where a guest moves from or to: the parts of a netemu that take part in it.

import Bytes
import Linux
import Migration
import Netdevs
import Virtio

/// What both ends of a move need of a running netemu.
struct MoveSite {
    let reactor: Reactor
    let memory: GuestMemory
    let guest: any Guest
    let network: Network
    let run: RunControl
    /// Starts the program of `exec:`; nil where none may be started.
    let spawner: (any ProcessSpawner)?
    let voice: Voice
    /// `-migrate-hook`.
    var hook: MigrateHook?
    /// As it was when this was made: in the sandbox nobody sees it any more.
    let host = HostIdentity.ofThisProcess()

    static let program = "netemu"
    /// Names of sections beside those of cards and back-ends.
    static let (runSection, guestSection) = ("run", "guest")

    var now: Instant { Instant(nanoseconds: reactor.nowNanoseconds) }

    var profile: MachineProfile {
        MachineProfile(
            memory: memory.size, guest: (guest as? any MovingGuest)?.kind ?? "",
            cards: network.cardsInOrder.map { CardProfile($0.card) })
    }

    var greeting: MigrationGreeting {
        MigrationGreeting(
            program: Self.program, version: Version.text, host: host, machine: profile.parts)
    }

    var pages: PageRow { PageRow(memory.files, tracking: memory.tracking) }
}

/// Why a move did not come about, as the monitor shows it.
extension ConnectFailure {
    /// QEMU's words where it has some.
    var sentence: String {
        switch self {
        case .stream(let failure, let address): failure.sentence(at: address)
        case .descriptor(let number): "Invalid file descriptor number '\(number)'"
        default: "\(self)"
        }
    }
}
