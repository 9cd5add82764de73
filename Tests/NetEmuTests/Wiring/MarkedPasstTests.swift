// What a real passt over vhost-user writes to guest memory, and what the node writes, is followed by marks alone, while
// connections carry all that they can.

import Bytes
import Glibc
import GuestNode
import Linux
import Migration
import PasstSession
import TestSupport
import Testing
import Virtio

@testable import NetEmu

@Suite(
    "Memory of a node on a passt, followed by marks",
    .enabled(if: Peers.passt.isThere && geteuid() == 0, Comment(rawValue: Peers.passt.hint + ", as root")), .serialized)
struct MarkedPasstTests {
    private func onStage(_ body: (MovingStage, PasstNetdev) throws -> Void) throws {
        try withNamespace(as: .root) { namespace in
            let peer = try namespace.start([try Peers.built("host-peer").require(), "echo:9007"])
            try peer.wait(for: "ready")
            try inside(namespace) {
                let stage = try MovingStage()
                let netdev = try stage.makePasst("n0", helper: nil)
                try stage.boot(on: netdev)
                try body(stage, netdev)
                try stage.end()
            }
        }
    }

    /// All who write the memory mark it.
    private func track(_ stage: MovingStage, _ rings: RingPeer) throws -> WriteTracking {
        stage.node.markWrites()
        let tracking = try stage.device.memory.beginTracking()
        tracking.onTake = { stage.node.markWrites() }
        let _: Bool = try stage.answer { done in rings.beginLog { done(true) } }
        #expect(tracking.isExact, "\(tracking.gap ?? "")")
        return tracking
    }

    @Test("under load every page that differs at the end was marked")
    func underLoad() throws {
        try onStage { stage, netdev in
            let rings = try #require(netdev.rings)
            let tracking = try track(stage, rings)
            let mirror = MemoryMirror(of: UnsafeRawBufferPointer(stage.device.memory.shared.bytes))
            let flows = try FlowSet(8, on: stage, port: 9007, bytesEach: 1 << 20)
            for step in 1...20 {
                try flows.talk(until: Double(step) / 20)
                mirror.follow(tracking)
            }
            #expect(flows.outcome == FlowOutcome(whole: 8), "\(flows.unfinished)")
            try stage.suspend()
            mirror.follow(tracking)
            #expect(tracking.isExact && mirror.differences == [], "\(mirror.differences.count) pages differ")
            #expect(mirror.copiedInAll > 100)
            // It goes on without a log, and that what is written then is not marked is known.
            rings.endLog()
            stage.device.resume()
            #expect(tracking.gap == "a vhost-user back-end began to work while memory was copied")
            stage.device.memory.endTracking()
            let others = try FlowSet(2, on: stage, port: 9007, bytesEach: 1000)
            try others.talk(until: 1)
            #expect(others.outcome == FlowOutcome(whole: 2))
        }
    }

    @Test("memory is the same at both ends when the guest stands still, and what was sent is what was written")
    func move() throws {
        try onStage { stage, netdev in
            let tracking = try track(stage, try #require(netdev.rings))
            let copy = try SharedMemory(name: "copy", size: stage.device.memory.shared.size)
            let move = try StagedMove(stage, tracking, to: copy)
            let flows = try FlowSet(8, on: stage, port: 9007, bytesEach: 1 << 20)
            move.start()
            // On a busy machine the guest stands still before that.
            try flows.talk(until: 0.7) { move.isPrepared }
            try stage.wait("the hand-over") { move.isPrepared }
            let status = move.source.status
            // The node of this stage has turns, and what it wrote since then is marked.
            var later: Set<Int> = []
            tracking.take { index, word in
                for bit in 0..<64 where word >> UInt64(bit) & 1 == 1 { later.insert(index * 64 + bit) }
            }
            let memory = stage.device.memory.shared
            let differences = (0..<copy.size / 4096).filter {
                memcmp(memory.base + $0 * 4096, copy.base + $0 * 4096, 4096) != 0
            }
            #expect(later.isSuperset(of: differences), "\(differences.filter { !later.contains($0) })")
            #expect(tracking.isExact && status.unmarked == 0 && status.iterations > 1, "\(status)")
            #expect(status.pages.normal > 100)
            move.source.tell { source, now in source.cancel(now: now) }
            netdev.rings?.endLog()
            stage.device.memory.endTracking()
            stage.device.resume()
            try flows.talk(until: 1)
            #expect(flows.outcome == FlowOutcome(whole: 8), "\(flows.unfinished)")
        }
    }
}

/// The memory of a stage on its way to another one, while its node works.
private final class StagedMove {
    private(set) var source: SourceSession
    private let destination: DestinationSession
    private(set) var isPrepared = false

    init(_ stage: MovingStage, _ tracking: WriteTracking, to copy: SharedMemory) throws {
        let (one, other) = try UnixSocket.pair()
        let greeting = MigrationGreeting(program: "test", version: "1", host: .ofThisProcess(), machine: [])
        var parameters = MigrationParameters()
        parameters.checksMarks = true
        // Rounds until the load is over, nearly.
        parameters.maxBandwidth = 20 << 20
        parameters.downtimeLimit = .milliseconds(20)
        let machine = MigrationSource(
            greeting, pages: PageRow(stage.device.memory.files, tracking: tracking), parameters: parameters)
        weak var move: StagedMove?
        source = try SourceSession(machine, over: MigrationChannel(one), on: stage.reactor) { action in
            switch action {
            case .stopGuest:
                stage.device.suspend { move?.source.tell { source, now in source.guestStopped(now: now) } }
            case .save: move?.source.tell { source, now in source.saved([], now: now) }
            case .answered, .ended: break
            }
        }
        let now = Instant(nanoseconds: stage.reactor.nowNanoseconds)
        destination = try DestinationSession(
            MigrationDestination(greeting, pages: MemoryPages(copy), now: now), over: MigrationChannel(other),
            on: stage.reactor
        ) { action in
            switch action {
            case .compare: move?.destination.tell { end, now in end.accept(now: now) }
            case .prepare: move?.isPrepared = true
            case .load, .start, .deliver, .ended: break
            }
        }
        move = self
    }

    func start() { source.start() }
}
