// A back-end's state as the machine sees it: the order of messages, every cut, every wrong answer, every silence.

import Bytes
import Linux
import Testing
import Virtio

@testable import VhostUser

@Suite("State that moves") struct StateMoveTests {
    private func last(_ count: Int, _ bench: MachineBench) -> [String] { Array(bench.trace.suffix(count)) }

    private func broken(_ request: Request, _ fault: Fault) throws -> MachineBench {
        var backEnd = ScriptedBackEnd.passt
        backEnd.faults[request] = (0, fault)
        var bench = try MachineBench.connected(backEnd)
        bench.move(.save)
        return bench
    }

    @Test(
        "a descriptor, the bytes, the question whether all of it is there, and the end of the back-end's turn behind a load",
        arguments: [StateTransfer.save, .load])
    func order(_ direction: StateTransfer) throws {
        var bench = try MachineBench.connected()
        bench.move(direction)
        let messages = ["SET_DEVICE_STATE_FD +1", "CHECK_DEVICE_STATE"] + (direction == .load ? ["GET_FEATURES"] : [])
        #expect(last(messages.count, bench) == messages)
        #expect(bench.backEnd.log.contains(.setDeviceStateDescriptor(direction)))
        #expect(bench.outcomes == [.moved])
        #expect(bench.stateWays.map(\.0) == [direction])
        #expect(bench.stateWays.map(\.isBackEnds) == [false])
        // QEMU's order: a state is loaded before features, memory and rings are told.
        #expect(!bench.trace.contains { $0.hasPrefix("SET_FEATURES") || $0.hasPrefix("SET_MEM_TABLE") })
        bench.start()
        #expect(bench.machine.state == .running)
    }

    @Test("a state is saved after a stop, and the rings start again afterwards")
    func afterStop() throws {
        var bench = try MachineBench.connected()
        bench.start()
        bench.stop()
        bench.move(.save)
        #expect(bench.outcomes == [.moved])
        bench.start()
        #expect(bench.machine.state == .running)
    }

    @Test("the back-end may use a descriptor of its own; one that it promises and does not send ends the connection")
    func ownDescriptor() throws {
        for sends in [true, false] {
            var bench = try broken(.setDeviceStateDescriptor, .silence)
            let reply = Reply(to: Request.setDeviceStateDescriptor, .u64(0)).encoded()
            let message = try required(
                try received(reply, as: .replies, descriptors: sends ? 1 : 0), "a message")
            bench.call { machine, now in machine.received(message, now: now) }
            #expect(bench.stateWays.map(\.isBackEnds) == (sends ? [true] : []))
            #expect(bench.outcomes == [sends ? .moved : .failed(.noStateDescriptor)])
            #expect(bench.isClosed == !sends)
        }
    }

    @Test("an end of the connection anywhere in between ends the move with its reason, once")
    func cuts() throws {
        for request in [Request.setDeviceStateDescriptor, .checkDeviceState] {
            for length in 0..<20 {
                let bench = try broken(request, .cut(length))
                let reason: VhostUserError =
                    length < 12
                    ? .shortHeader(read: length, request: request) : .shortPayload(read: length - 12, of: 8)
                #expect(bench.outcomes == [.failed(reason)])
                #expect(bench.isClosed)
                #expect(bench.machine.nextDeadline == nil)
            }
        }
        var bench = try MachineBench.connected()
        bench.movesStateAtOnce = false
        bench.move(.save)
        bench.call { machine, _ in machine.endOfFile(at: .betweenMessages) }
        #expect(bench.outcomes == [.failed(.endOfFile)])
        bench.call { machine, now in machine.stateBytesEnded(isWhole: true, now: now) }
        #expect(bench.outcomes.count == 1)
    }

    @Test(
        "what the back-end says against it is told in words, and the connection lives",
        arguments: [
            (22, "Invalid argument"), (95, "Operation not supported"), (61, "No data available"), (1, "it answers 1"),
            (UInt64.max, "it answers -1"), (UInt64(bitPattern: -22), "Invalid argument"),
        ] as [(UInt64, String)])
    func refusal(_ value: UInt64, _ words: String) throws {
        var backEnd = ScriptedBackEnd.passt
        backEnd.faults[.checkDeviceState] = (0, .value(value))
        var bench = try MachineBench.connected(backEnd)
        bench.move(.save)
        let error = VhostUserError.stateRefused(.save, value: value)
        #expect(bench.outcomes == [.failed(error)])
        #expect(error.description == "the vhost-user back-end could not save its state: \(words)")
        #expect(!bench.isClosed)
        bench.backEnd.faults = [:]
        bench.move(.save)
        #expect(bench.outcomes.last == .moved)
    }

    @Test("a back-end that refuses the descriptor is asked nothing more")
    func refusedDescriptor() throws {
        for value: UInt64 in [5, 0x105] {
            var bench = try broken(.setDeviceStateDescriptor, .value(value))
            #expect(bench.outcomes == [.failed(.stateRefused(.save, value: 5))])
            #expect(bench.trace.last == "SET_DEVICE_STATE_FD +1")
            #expect(!bench.isClosed)
            bench.start()
            #expect(bench.machine.state == .running)
        }
    }

    @Test("answers that are none end the connection")
    func nonsense() throws {
        var bench = try broken(.setDeviceStateDescriptor, .value(0x200))
        #expect(bench.isClosed)
        bench = try broken(.checkDeviceState, .bytes(Reply(to: Request.getFeatures, .u64(0)).encoded()))
        #expect(bench.outcomes == [.failed(.unexpectedReply(expected: .checkDeviceState, received: 1))])
        bench = try MachineBench.connected()
        bench.movesStateAtOnce = false
        bench.move(.load)
        bench.feed(Reply(to: Request.checkDeviceState, .u64(0)).encoded())
        #expect(bench.outcomes == [.failed(.unexpectedReply(expected: nil, received: 43))])
    }

    @Test("a back-end that says yes to a state of which it did not read all has lost it")
    func cutLoad() throws {
        var bench = try MachineBench.connected()
        bench.movesStateAtOnce = false
        bench.move(.load)
        bench.call { machine, now in machine.stateBytesEnded(isWhole: false, now: now) }
        #expect(bench.outcomes == [.failed(.stateCut)])
        #expect(!bench.isClosed)
    }

    @Test("silence at each step ends by a deadline, at the latest 20 s after the call")
    func silence() throws {
        var bench = try broken(.setDeviceStateDescriptor, .silence)
        bench.wait(.seconds(60))
        #expect(bench.outcomes == [.failed(.timeout(.setDeviceStateDescriptor, after: .seconds(5)))])
        bench = try broken(.checkDeviceState, .silence)
        let call = bench.now
        bench.wait(.seconds(60))
        #expect(bench.outcomes == [.failed(.stateTimeout(.save, after: .seconds(20)))])
        #expect(bench.now == call + .seconds(20))
        bench = try MachineBench.connected()
        bench.movesStateAtOnce = false
        bench.move(.load)
        bench.wait(.seconds(60))
        #expect(bench.outcomes == [.failed(.stateTimeout(.load, after: .seconds(20)))])
        #expect(bench.isClosed)
    }

    @Test("a back-end that ends behind its yes has lost the state; one that stands still then is waited for no longer")
    func settling() throws {
        for (fault, outcome) in [
            (Fault.cut(0), VhostUserError.shortHeader(read: 0, request: .getFeatures)),
            (.silence, .timeout(.getFeatures, after: .seconds(5))),
        ] {
            var bench = try MachineBench.connected()
            bench.backEnd.faults[.getFeatures] = (0, fault)
            bench.move(.load)
            bench.wait(.seconds(60))
            #expect(bench.outcomes == [.failed(outcome)])
        }
    }

    @Test("nobody asks for a sign of life while a state moves")
    func health() throws {
        var bench = try MachineBench.connected { $0.healthInterval = .milliseconds(500) }
        bench.movesStateAtOnce = false
        bench.move(.save)
        let start = bench.now
        bench.wait(.seconds(19))
        #expect(bench.now == start + .seconds(19))
        #expect(bench.trace.last == "SET_DEVICE_STATE_FD +1")
        bench.call { machine, now in machine.stateBytesEnded(isWhole: true, now: now) }
        #expect(bench.outcomes == [.moved])
        bench.wait(.milliseconds(600))
        #expect(bench.trace.last == "GET_FEATURES")
    }

    @Test("two at once, rings that run, no connection, no such feature: nothing is sent")
    func refusals() throws {
        var bench = try MachineBench(.passt)
        bench.move(.save)
        #expect(bench.outcomes == [.failed(.notConnected)])
        bench.connect()
        bench.movesStateAtOnce = false
        bench.move(.save)
        bench.move(.load)
        #expect(bench.outcomes.last == .failed(.stateIsMoving))
        bench.call { machine, now in machine.stateBytesEnded(isWhole: true, now: now) }
        #expect(bench.outcomes.last == .moved)
        bench.start()
        let count = bench.trace.count
        bench.move(.save)
        #expect(bench.outcomes.last == .failed(.ringsRun))
        #expect(bench.trace.count == count)
        for backEnd in [ScriptedBackEnd.old, ScriptedBackEnd(features: 0x1_4400_8002, protocolFeatures: 0xe)] {
            bench = try MachineBench.connected(backEnd)
            bench.move(.load)
            #expect(bench.outcomes == [.hasNone])
            #expect(!bench.isClosed)
        }
    }

    @Test("rings that are to start while a state moves start behind it")
    func startWaits() throws {
        var bench = try MachineBench.connected()
        bench.movesStateAtOnce = false
        bench.move(.load)
        bench.start()
        #expect(bench.trace.last == "SET_DEVICE_STATE_FD +1")
        bench.call { machine, now in machine.stateBytesEnded(isWhole: true, now: now) }
        #expect(bench.machine.state == .running)
        let check = bench.trace.firstIndex(of: "CHECK_DEVICE_STATE") ?? .max
        let features = bench.trace.firstIndex { $0.hasPrefix("SET_FEATURES") } ?? -1
        #expect(check < features)
    }
}
