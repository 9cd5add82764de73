// What a back-end does wrong on the socket, by number, and what the machine makes of it.

import Bytes
import Linux
import Testing
import Virtio

@testable import VhostUser

@Suite("Misbehaviour on the socket") struct MisbehaviourTests {
    /// Why the connection ended; nil while it lives. It must have ended once.
    private func reason(_ bench: MachineBench) -> VhostUserError? {
        let reasons = bench.events.compactMap { if case .disconnected(let reason) = $0 { reason } else { nil } }
        #expect(reasons.count <= 1)
        return bench.machine.state == .disconnected ? reasons.last : nil
    }

    private func broken(_ request: Request, _ fault: Fault, from: Int = 0) throws -> MachineBench {
        var backEnd = ScriptedBackEnd.everything
        backEnd.faults[request] = (from, fault)
        var bench = try MachineBench(backEnd)
        bench.connect()
        bench.start()
        bench.stop()
        return bench
    }

    @Test("the six texts of a wrong answer are QEMU's (CFE-10)")
    func texts() throws {
        func text(_ fault: Fault) throws -> String? {
            reason(try broken(.getFeatures, fault))?.description
        }
        #expect(
            try text(.cut(4)) == "Failed to read msg header. Read 4 instead of 12. Original request 1.")
        #expect(
            try text(.bytes(hex("01000000 06000000 08000000 0000000000000000")))
                == "Failed to read msg header. Flags 0x6 instead of 0x5.")
        #expect(
            try text(.bytes(hex("01000000 05000000 ffffffff")))
                == "Failed to read msg header. Size 4294967295 exceeds the maximum 4096.")
        #expect(try text(.cut(15)) == "Failed to read msg payload. Read 3 instead of 8.")
        #expect(
            try text(.bytes(hex("02000000 05000000 08000000 0000000000000000")))
                == "Received unexpected msg type. Expected 1 received 2")
        #expect(
            try text(.bytes(hex("01000000 05000000 04000000 00000000"))) == "Received bad msg size.")
    }

    @Test("an end of file between messages is quiet, and the owner is told (RW-02)")
    func endOfFile() throws {
        var bench = try MachineBench(.passt)
        bench.connect()
        bench.call { machine, _ in machine.endOfFile(at: .betweenMessages) }
        #expect(reason(bench) == .endOfFile)
        #expect(bench.isClosed)
        #expect(bench.machine.nextDeadline == nil)
    }

    @Test("an end of file inside header or payload says how much was read (RW-03)")
    func cuts() throws {
        for length in 0..<20 {
            let bench = try broken(.getFeatures, .cut(length))
            let expected: VhostUserError =
                length < 12
                ? .shortHeader(read: length, request: .getFeatures) : .shortPayload(read: length - 12, of: 8)
            #expect(reason(bench) == expected)
        }
    }

    @Test("an answer that stalls in the middle ends by the deadline (RW-04)")
    func stall() throws {
        for bytes in [hex("01000000 05"), hex("01000000 05000000 08000000 0102")] {
            var bench = try broken(.getFeatures, .bytes(bytes))
            #expect(bench.machine.state == .handshaking)
            bench.wait(.seconds(60))
            #expect(reason(bench) == .timeout(.getFeatures, after: .seconds(5)))
        }
    }

    @Test("a wrong version, reserved flags and requests among the answers end the connection (RW-05, RW-06)")
    func flags() throws {
        for flags in ["00", "01", "04", "06", "07", "09", "0d", "15"] {
            let bench = try broken(.getFeatures, .bytes(hex("01000000 \(flags)000000 08000000 0000000000000000")))
            #expect(reason(bench) == .message(.flags(UInt32(hex(flags)[0]), .replies)))
        }
    }

    @Test("an answer above the limit ends the connection at its header (RW-07)")
    func oversize() throws {
        for size in ["01100000", "00000001", "ffffffff"] {
            let bench = try broken(.getProtocolFeatures, .bytes(hex("0f000000 05000000 \(size)")))
            guard case .message(.tooLarge) = reason(bench) else {
                Issue.record("size \(size): \(String(describing: reason(bench)))")
                continue
            }
        }
    }

    @Test("an answer of another size than its structure ends the connection (RW-08)")
    func wrongSize() throws {
        for (request, id) in [(Request.getFeatures, "01"), (.getVringBase, "0b"), (.addMemoryRegion, "25")] {
            for size in ["00", "04", "07", "09", "10"] {
                let body = String(repeating: "00", count: Int(hex(size)[0]))
                let bench = try broken(request, .bytes(hex("\(id)000000 05000000 \(size)000000 \(body)")))
                #expect(reason(bench) == .badSize(request, size: Int(hex(size)[0])))
            }
        }
    }

    @Test("an answer to another request, or one that nobody asked for, ends the connection (RW-12)")
    func unexpected() throws {
        var bench = try broken(.getQueueNum, .bytes(Reply(to: Request.getStatus, .u64(1)).encoded()))
        #expect(reason(bench) == .unexpectedReply(expected: .getQueueNum, received: 40))
        bench = try MachineBench(.passt)
        bench.connect()
        bench.feed(Reply(to: Request.getFeatures, .u64(1)).encoded())
        #expect(reason(bench) == .unexpectedReply(expected: nil, received: 1))
        bench = try broken(.setVringCall, .extra)
        #expect(reason(bench) == .unexpectedReply(expected: .setVringError, received: 13))
    }

    @Test("an answer for another ring ends the connection")
    func wrongRing() throws {
        let bench = try broken(
            .getVringBase, .bytes(Reply(to: Request.getVringBase, .vringState(VringState(index: 1, num: 0))).encoded()))
        #expect(reason(bench) == .wrongRing(expected: 0, received: 1))
    }

    @Test(
        "a refusal of any acknowledged request but ENABLE ends the connection with QEMU's text (CFE-09)",
        arguments: [
            (.setVringCall, "vhost_set_vring_call failed: Input/output error (5)"),
            (.setVringError, "vhost_set_vring_err failed: Input/output error (5)"),
            (.setVringKick, "vhost_set_vring_kick failed: Input/output error (5)"),
            (.addMemoryRegion, "vhost_set_mem_table failed: Input/output error (5)"),
            (.setBackEndRequestDescriptor, "vhost_setup_backend_channel failed: Input/output error (5)"),
        ] as [(Request, String)])
    func refusals(_ request: Request, _ text: String) throws {
        for value in [1, UInt64.max] {
            let bench = try broken(request, .refusal(value))
            #expect(reason(bench) == .refused(request, value: value))
            #expect(reason(bench)?.description == text)
            #expect(bench.machine.state == .disconnected)
        }
    }

    @Test("refusals of the memory table and the MTU end the connection, too (CFE-09)")
    func otherRefusals() throws {
        var backEnd = ScriptedBackEnd.passt
        backEnd.features |= 8
        backEnd.protocolFeatures |= 1 << 4
        for request in [Request.setMemoryTable, .netSetMTU] {
            backEnd.faults = [request: (0, .refusal(22))]
            var bench = try MachineBench(backEnd) { $0.mtu = 1400 }
            bench.connect()
            bench.start(features: .max)
            #expect(reason(bench) == .refused(request, value: 22))
        }
    }

    @Test("a refusal of ENABLE is told and tolerated (CFE-09)")
    func refusedEnable() throws {
        let bench = try broken(.setVringEnable, .refusal(1))
        #expect(bench.machine.state == .ready)
        #expect(bench.events.contains(.warning("the vhost-user back-end refused SET_VRING_ENABLE with 1")))
        #expect(bench.events.contains(.ready))
        #expect(bench.stops.count == 1)
    }

    @Test("a back-end that never answers is given up after the deadline, whatever was asked (RF-16)")
    func silence() throws {
        let asked: [Request] = [
            .getFeatures, .getProtocolFeatures, .getQueueNum, .getMaximumMemorySlots, .setBackEndRequestDescriptor,
            .setVringCall, .setVringError, .setVringEnable, .getStatus, .addMemoryRegion, .setVringKick, .getVringBase,
        ]
        for request in asked {
            var bench = try broken(request, .silence)
            #expect(bench.machine.state != .disconnected)
            let before = bench.now
            bench.wait(.milliseconds(4999))
            #expect(bench.machine.state != .disconnected)
            bench.wait(.seconds(1))
            #expect(bench.now.since(before) == .seconds(5))
            #expect(reason(bench) == .timeout(request, after: .seconds(5)))
            #expect(bench.machine.nextDeadline == nil)
        }
        #expect(
            VhostUserError.timeout(.getFeatures, after: .milliseconds(1500)).description
                == "no answer to GET_FEATURES from the vhost-user back-end within 1500 ms")
    }

    @Test("an idle back-end is asked for a sign of life, and given up when it gives none (RF-16)")
    func health() throws {
        var bench = try MachineBench(.passt) { $0.healthInterval = .milliseconds(500) }
        bench.connect()
        bench.start()
        let quiet = bench.sentCount
        for _ in 0..<3 { bench.wait(.seconds(10)) }
        #expect(bench.sentCount == quiet + 3)
        #expect(bench.trace.last == "GET_FEATURES")
        #expect(bench.machine.state == .running)
        bench.backEnd.faults[.getFeatures] = (0, .silence)
        let stopped = bench.now
        bench.wait(.seconds(10))
        bench.wait(.seconds(10))
        #expect(reason(bench) == .timeout(.getFeatures, after: .milliseconds(1500)))
        #expect(bench.now.since(stopped) == .seconds(2))
    }

    @Test("with the sign of life switched off an idle machine has no deadline")
    func healthOff() throws {
        var bench = try MachineBench(.passt)
        bench.connect()
        bench.start()
        #expect(bench.machine.nextDeadline == nil)
    }

    @Test("an owner who asks without end of a back-end that does not answer ends the connection (RW-20)")
    func endlessQueue() throws {
        var backEnd = ScriptedBackEnd.passt
        backEnd.faults[.setVringEnable] = (0, .silence)
        var bench = try MachineBench(backEnd)
        bench.connect()
        for _ in 0..<2000 { bench.call { $0.setEnable(pair: 0, isOn: true, now: $1) } }
        guard case .sendQueueFull = reason(bench) else {
            Issue.record("\(String(describing: reason(bench)))")
            return
        }
    }

    @Test("a cut at every message of handshake, start and stop is survived, and the next connection works (CFE-12)")
    func cutEverywhere() throws {
        for backEnd in [ScriptedBackEnd.everything, .passt, .old] {
            var whole = try MachineBench(backEnd)
            whole.connect()
            whole.start()
            whole.stop()
            for cut in 0..<whole.sentCount {
                var script = backEnd
                script.endsAtMessage = cut
                var bench = try MachineBench(script)
                bench.connect()
                bench.start()
                bench.stop()
                #expect(bench.machine.state == .disconnected)
                #expect(bench.events.filter { if case .disconnected = $0 { true } else { false } }.count == 1)
                bench.backEnd.endsAtMessage = nil
                bench.connect()
                #expect(bench.machine.state == .ready)
                bench.start(bases: [1, 2])
                #expect(bench.machine.state == .running)
                #expect(bench.trace.suffix(whole.sentCount).contains("SET_VRING_BASE ring 1 num 2"))
            }
        }
    }

    @Test("a new connection is a whole handshake, and memory slots are filled again (CFE-11)")
    func reconnect() throws {
        var bench = try MachineBench(.everything)
        bench.connect()
        bench.start()
        let first = bench.trace
        bench.call { machine, _ in machine.endOfFile(at: .betweenMessages) }
        bench.connect()
        bench.start()
        #expect(Array(bench.trace.dropFirst(first.count)) == first)
        #expect(bench.events.suffix(2) == [.connected(features: 0x1_3000_9983), .ready])
    }

    @Test("random bytes at any state end the connection or are ignored, never more (CFE-20)")
    func randomBytes() throws {
        var random = SeededGenerator(seed: 3)
        for round in 0..<300 {
            var backEnd = ScriptedBackEnd.everything
            let request = Request.allCases.randomElement(using: &random) ?? .getFeatures
            var bytes = random.bytes(Int.random(in: 0...40, using: &random))
            // Half of the headers are right, so that the parsers behind them are reached.
            if round % 2 == 0 { bytes = [UInt8(request.rawValue), 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0] + bytes }
            backEnd.faults[request] = (Int.random(in: 0...2, using: &random), .bytes(bytes))
            var bench = try MachineBench(backEnd)
            bench.connect()
            bench.start()
            bench.stop()
            bench.feed(random.bytes(24))
            bench.wait(.seconds(10))
            bench.wait(.seconds(10))
            #expect(bench.trace.allSatisfy { !$0.hasPrefix("not a message") })
        }
    }
}
