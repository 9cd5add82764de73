// The handshake and what it agrees on: features, protocol features, queues, memory, and the values of a start.

import Bytes
import Glibc
import Linux
import Testing
import Virtio

@testable import VhostUser

@Suite("Negotiation") struct NegotiationTests {
    private func reason(_ bench: MachineBench) -> String? {
        guard case .disconnected(let reason) = bench.events.last else { return nil }
        return reason.description
    }

    @Test("two queue pairs are refused when the back-end has no MQ (CFE-03)")
    func noMultiqueue() throws {
        for backEnd in [ScriptedBackEnd.passt, .old] {
            var bench = try MachineBench(backEnd) { $0.queuePairs = 2 }
            bench.connect()
            #expect(reason(bench) == "you are asking more queues than supported: 1")
            #expect(bench.machine.state == .disconnected)
        }
    }

    @Test("a queue count of 0 is refused in QEMU's words, a huge one is taken (RF-11)")
    func queueCount() throws {
        var backEnd = ScriptedBackEnd.everything
        backEnd.queuePairs = 0
        var bench = try MachineBench(backEnd)
        bench.connect()
        #expect(reason(bench) == "you are asking more queues than supported: 0")
        backEnd.queuePairs = .max
        bench = try MachineBench(backEnd)
        bench.connect()
        #expect(bench.machine.state == .ready)
    }

    @Test("fewer memory slots than regions are refused, 0 too (RF-11)")
    func memorySlots() throws {
        var backEnd = ScriptedBackEnd.everything
        for slots in [0, 1] as [UInt64] {
            backEnd.memorySlots = slots
            var bench = try MachineBench(backEnd)
            bench.connect()
            #expect(reason(bench) == "the vhost-user back-end has \(slots) memory slots, 2 are needed")
        }
        backEnd.memorySlots = .max
        var bench = try MachineBench(backEnd)
        bench.connect()
        #expect(bench.machine.state == .ready)
    }

    @Test("with memory slots regions go one by one, without in one table of at most eight (CFE-04)")
    func memory() throws {
        var bench = try MachineBench(.everything, regions: 9)
        bench.connect()
        bench.start()
        #expect(bench.trace.count { $0.hasPrefix("ADD_MEM_REG") } == 9)
        bench = try MachineBench(.passt, regions: 8)
        bench.connect()
        bench.start()
        let table = try #require(bench.backEnd.log.first { $0.request == .setMemoryTable })
        #expect(table.descriptorCount == 8)
        bench = try MachineBench(.passt, regions: 9)
        bench.connect()
        #expect(reason(bench)?.hasPrefix("9 memory regions; ") == true)
    }

    @Test("regions are described with synthetic user addresses and the memory's own descriptor (CFE-23)")
    func regions() throws {
        var bench = try MachineBench(.passt)
        bench.connect()
        bench.start()
        let table = try #require(bench.backEnd.log.first { $0.request == .setMemoryTable })
        #expect(
            table.payload
                == .memoryTable(
                    try MemoryTable([
                        MemoryRegionDescription(
                            guestPhysical: 0, size: 0xa0000, userAddress: 0x7000_0000_0000, fileOffset: 0),
                        MemoryRegionDescription(
                            guestPhysical: 0xc0000, size: 0xff4_0000, userAddress: 0x7000_000c_0000, fileOffset: 0xc0000
                        ),
                    ])))
    }

    @Test("each region travels with the descriptor of its own file (CFE-23)", arguments: [false, true])
    func files(slots: Bool) throws {
        let files = [
            try SharedMemory(name: "low", size: 1 << 20), try SharedMemory(name: "high", size: 64 << 20),
        ]
        let regions = [0, 1, 1].enumerated().map { index, file in
            MemoryRegion(
                guestPhysical: UInt64(index) << 24, size: 1 << 20,
                userAddress: MemoryRegion.userAddressBase + UInt64(index) << 24,
                fileOffset: UInt64(file * index) << 20, file: file)
        }
        var bench = try MachineBench(slots ? .everything : .passt, memory: GuestMemory(files, regions: regions))
        bench.connect()
        let start = UInt64(2) << 24
        bench.call { machine, now in
            let queue = QueueConfiguration(
                index: 0, size: 256, addresses: RingAddresses(contiguousAt: start, size: 256), base: 0)
            machine.start(features: MachineBench.pairFeatures, queues: [queue], now: now)
        }
        let word = slots ? "ADD_MEM_REG" : "SET_MEM_TABLE"
        let sent = zip(bench.trace, bench.attachments).filter { $0.0.hasPrefix(word) }.flatMap(\.1)
        #expect(sent == [0, 1, 1].map { files[$0].descriptor.raw })
    }

    @Test(
        "rings that lie in another memory than those before: the back-end is told of that one",
        arguments: [false, true])
    func otherMemory(slots: Bool) throws {
        let memories = try (0..<2).map { _ in try GuestMemory(size: 64 << 20) }
        var bench = try MachineBench(slots ? .everything : .passt, memory: memories[0])
        bench.connect()
        for number in [0, 0, 1, 0] {
            bench.call { machine, _ in machine.use(memories[number]) }
            bench.start()
            bench.stop()
        }
        let words = ["ADD_MEM_REG", "REM_MEM_REG", "SET_MEM_TABLE"]
        let told = zip(bench.trace, bench.attachments).compactMap { line, files in
            words.first { line.hasPrefix($0) }.map { "\($0) \(files.map { $0 == memories[0].shared.descriptor.raw })" }
        }
        if slots {
            #expect(
                told == [
                    "ADD_MEM_REG [true]", "REM_MEM_REG []", "ADD_MEM_REG [false]", "REM_MEM_REG []",
                    "ADD_MEM_REG [true]",
                ])
        } else {
            #expect(told == [true, true, false, true].map { "SET_MEM_TABLE [\($0)]" })
        }
    }

    @Test("a front-end that does not know yet where rings lie starts none")
    func noMemory() throws {
        var bench = try MachineBench(.passt)
        bench.machine = FrontEndMachine(options: bench.machine.options)
        bench.connect()
        bench.start()
        #expect(bench.events.contains { if case .startFailed(.ringOutsideMemory) = $0 { true } else { false } })
    }

    @Test(
        "SET_FEATURES carries offered bits only, VERSION_1 always, bit 30 when offered (CFE-05)",
        arguments: [
            (ScriptedBackEnd.passt, 0x1_4000_8002), (.old, 0x1_3000_8003), (.everything, 0x1_7000_9983),
        ] as [(ScriptedBackEnd, UInt64)])
    func acknowledgedFeatures(_ backEnd: ScriptedBackEnd, _ expected: UInt64) throws {
        var bench = try MachineBench(backEnd)
        bench.connect()
        // The driver also negotiated what the device model owns: MAC, STATUS, the control queue's bits.
        bench.start(features: MachineBench.pairFeatures | 1 << 5 | 1 << 16 | 1 << 17 | 1 << 23 | 1 << 26)
        #expect(bench.trace.contains("SET_FEATURES 0x\(String(expected, radix: 16))"))
        var plain = try MachineBench(backEnd)
        plain.connect()
        plain.start(features: 0)
        let least = 1 << 32 | backEnd.features & 1 << 30
        #expect(plain.trace.contains("SET_FEATURES 0x\(String(least, radix: 16))"))
    }

    @Test("a back-end without VERSION_1 is refused (RF-12)")
    func legacy() throws {
        var backEnd = ScriptedBackEnd.everything
        backEnd.features &= ~(1 << 32)
        var bench = try MachineBench(backEnd)
        bench.connect()
        #expect(reason(bench)?.contains("without VIRTIO_F_VERSION_1") == true)
        #expect(bench.trace == ["GET_FEATURES"])
    }

    @Test("feature bits that nobody knows reach neither the driver nor the back-end (RF-12)")
    func unknownFeatures() throws {
        var backEnd = ScriptedBackEnd.everything
        backEnd.features = .max
        var bench = try MachineBench(backEnd)
        bench.connect()
        #expect(bench.events == [.connected(features: NetFeature.ownedByBackEnd)])
        bench.start(features: .max)
        let known = NetFeature.ownedByBackEnd | NetFeature.mtu | NetFeature.multiqueue | 1 << 30
        #expect(bench.trace.contains("SET_FEATURES 0x\(String(known, radix: 16))"))
    }

    @Test("protocol features that nobody knows, and bits 20 to 22, are not acknowledged (RF-13)")
    func unknownProtocolFeatures() throws {
        var backEnd = ScriptedBackEnd.everything
        for offered in [.max, 0x9_803f | 0x70_0000, 0x9_803f | 1 << 63] as [UInt64] {
            backEnd.protocolFeatures = offered
            var bench = try MachineBench(backEnd)
            bench.connect()
            let reset: UInt64 = offered & 1 << 13
            #expect(bench.trace.contains("SET_PROTOCOL_FEATURES 0x\(String(0x9_803f | reset, radix: 16))"))
            #expect(bench.machine.state == .ready)
        }
    }

    @Test(
        "each ring's kick is readable when the back-end gets it, and the driver is called when the rings are ready (CFE-06)"
    )
    func injectedKick() throws {
        var bench = try MachineBench(.passt)
        bench.connect()
        bench.start()
        #expect(bench.events.last == .ready)
        for queue in bench.queues {
            var count: UInt64 = 0
            #expect(read(bench.parts.kicks[Int(queue.index)].raw, &count, 8) == 8 && count == 1)
        }
        #expect(bench.interrupts == bench.queues.map(\.index))
    }

    @Test("base, size and addresses are those of the queue (CFE-08)")
    func bases() throws {
        var bench = try MachineBench(.passt)
        bench.connect()
        bench.start(bases: [65530, 12])
        #expect(bench.trace.contains("SET_VRING_BASE ring 0 num 65530"))
        #expect(bench.trace.contains("SET_VRING_BASE ring 1 num 12"))
        #expect(bench.trace.contains("SET_VRING_NUM ring 0 num 256"))
    }

    @Test("a stop asks each ring for its base and hands the answers up (CFE-08)")
    func stop() throws {
        var bench = try MachineBench(.passt)
        bench.backEnd.bases = [0: 7, 1: 65535]
        bench.connect()
        bench.start()
        bench.stop()
        #expect(bench.stops.map { $0.map(\.answer) } == [[7, 65535]])
        #expect(bench.machine.state == .ready)
        bench.start(bases: [7, 65535])
        #expect(bench.machine.state == .running)
        #expect(bench.trace.suffix(11).contains("SET_VRING_BASE ring 1 num 65535"))
    }

    /// Story: a node was stopped while its driver was busy; passt found GET_VRING_BASE and a kick in one turn, closed the
    /// kick's descriptor first, read it then, and ended with "vhost-user kick eventfd_read(): Bad file descriptor".
    @Test("where it is asked for, a stop lets the back-end see every kick first (CFE-08)")
    func settledStop() throws {
        var bench = try MachineBench(.passt) { $0.settlesKicksBeforeStop = true }
        bench.backEnd.bases = [0: 7, 1: 65535]
        bench.connect()
        bench.start()
        bench.stop()
        let stop = ["GET_FEATURES", "GET_VRING_BASE ring 0 num 0", "GET_VRING_BASE ring 1 num 0"]
        #expect(Array(bench.trace.suffix(3)) == stop)
        #expect(bench.stops.map { $0.map(\.answer) } == [[7, 65535]])
    }

    @Test("a base that the ring cannot have is recognised (RF-10)")
    func impossibleBase() throws {
        func base(_ answer: UInt32, used: UInt16) -> RingPosition? {
            StoppedRing(index: 0, size: 256, usedRing: 0, answer: answer).base(usedIndex: used)
        }
        #expect(base(10, used: 10) == 10)
        #expect(base(266, used: 10) == 266)
        #expect(base(267, used: 10) == nil)
        #expect(base(9, used: 10) == nil)
        #expect(base(4, used: 65530) == 4)
        #expect(base(0x1_0005, used: 5) == nil)
        #expect(base(.max, used: 65535) == nil)
    }

    @Test("the MTU is told between handshake and features when driver and back-end know it")
    func mtu() throws {
        var backEnd = ScriptedBackEnd.everything
        backEnd.features |= 8
        var bench = try MachineBench(backEnd) { $0.mtu = 1400 }
        bench.connect()
        bench.start(features: MachineBench.pairFeatures | 8)
        let index = try #require(bench.trace.firstIndex(of: "NET_SET_MTU ack 0x578"))
        #expect(bench.trace[index + 1] == "SET_VRING_ENABLE ack ring 0 num 1")
        #expect(bench.trace.contains("SET_FEATURES 0x17000998b"))
        let cases: [(UInt64, UInt64)] = [(MachineBench.pairFeatures, 0x9_803f), (.max, 0x9_802f)]
        for (features, offered) in cases {
            backEnd.protocolFeatures = offered
            bench = try MachineBench(backEnd) { $0.mtu = 1400 }
            bench.connect()
            bench.start(features: features)
            #expect(!bench.trace.contains { $0.hasPrefix("NET_SET_MTU") })
            #expect(bench.machine.state == .running)
        }
    }

    @Test("RESET_DEVICE is sent at a reset when it is negotiated")
    func resetDevice() throws {
        var backEnd = ScriptedBackEnd.everything
        backEnd.protocolFeatures |= 1 << 13
        var bench = try MachineBench(backEnd)
        bench.connect()
        bench.call { $0.reset(now: $1) }
        #expect(bench.trace.suffix(3).first == "RESET_DEVICE")
    }

    @Test("a MAC is announced by SEND_RARP, or QEMU's warning says that it cannot be")
    func announce() throws {
        var bench = try MachineBench(.passt)
        bench.connect()
        bench.call { $0.announce(macAddress: 0xffff_5634_1200_5452, now: $1) }
        #expect(bench.trace.last == "SEND_RARP 0x563412005452")
        bench = try MachineBench(.old)
        bench.connect()
        bench.call { $0.announce(macAddress: 1, now: $1) }
        #expect(bench.events.last == .warning("Vhost user backend fails to broadcast fake RARP"))
    }

    @Test("a start with a ring outside memory or a queue too many is refused and the connection lives")
    func impossibleStart() throws {
        var bench = try MachineBench(.passt)
        bench.connect()
        let outside = try MachineBench.queue(0, at: 0xb0000)
        bench.call { $0.start(features: 0, queues: [outside], now: $1) }
        #expect(bench.events.last == .startFailed(.ringOutsideMemory(queue: 0, address: 0xb0000)))
        let third = try MachineBench.queue(2)
        bench.call { $0.start(features: 0, queues: [third], now: $1) }
        #expect(bench.events.last == .startFailed(.noSuchQueue(2, count: 2)))
        #expect(bench.machine.state == .ready)
        bench.start()
        #expect(bench.machine.state == .running)
    }
}
