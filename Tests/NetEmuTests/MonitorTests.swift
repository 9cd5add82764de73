// The human monitor against a fake wiring: what is typed, and every byte that comes back.

import Bytes
import Testing

@testable import NetEmu

final class FakeTarget: MonitorTarget {
    var network = NetworkReport(
        entries: [
            NetworkReport.Entry(
                client: NetworkReport.Client(
                    name: "virtio-net-pci.0", type: "nic", info: "model=virtio-net-pci,macaddr=52:54:00:12:34:56",
                    filters: []),
                peer: NetworkReport.Client(
                    name: "#net004", type: "passt", info: "vhost-user,connected to pid 17969", filters: []))
        ])
    var names = ["virtio-net-pci.0", "vn1", "#net004"]
    var log: [String] = []
    /// Answers of commands that wait; nil is success.
    var waiting: [(EmulationError?) -> Void] = []

    func execute<Command: MonitorCommand>(
        _ command: Command, answer: @escaping (Result<Command.Answer, EmulationError>) -> Void
    ) {
        /// The answer, of the type that the command has.
        func give(_ value: Any) { if let value = value as? Command.Answer { answer(.success(value)) } }
        switch command {
        case is InfoNetwork: give(network)
        case is InfoStatus: give(RunState.running)
        case is InfoVersion: give(Version.text)
        case let command as SetLink:
            log.append("\(command.name) \(command.isUp)")
            if names.contains(command.name) { give(()) } else { answer(.failure(.noDevice(command.name))) }
        case let command as NetdevAdd:
            log.append("netdev_add \(command.netdev.text)")
            waiting.append { failure in if let failure { answer(.failure(failure)) } else { give(()) } }
        case is Quit:
            log.append("quit")
            give(())
        default: answer(.failure(EmulationError("?")))
        }
    }

    func names(of kind: MonitorParameter.Names) -> [String] { kind == .clients ? names : [] }
}

@Suite("the human monitor")
struct MonitorTests {
    /// What a session answers, without the echo of what is typed.
    static func answers(_ lines: [String], target: FakeTarget = FakeTarget()) -> [String] {
        let session = MonitorSession(target: target)
        session.open()
        _ = session.takeOutput()
        var found: [String] = []
        for line in lines {
            session.receive(Array(line.utf8))
            _ = session.takeOutput()
            session.receive([10])
            let text = String(decoding: session.takeOutput(), as: UTF8.self)
            found.append(text)
        }
        return found.map { text in
            text.replacing("\r\n", with: "\n").replacing("(netemu) ", with: "")
        }
    }

    static func answer(_ line: String) -> String { answers([line])[0] }

    @Test("the banner, the prompt and the echo, byte for byte")
    func openingBytes() {
        let target = FakeTarget()
        let session = MonitorSession(target: target, prompt: "(qemu) ")
        session.open()
        session.receive(Array("q\n".utf8))
        let text = String(decoding: session.takeOutput(), as: UTF8.self)
        #expect(text == "netemu 0.1.0 monitor - type 'help' for more information\r\n(qemu) q\r\n")
        #expect(target.log == ["quit"])
    }

    @Test("info network, status, version")
    func info() {
        #expect(Self.answer("info status") == "\nVM status: running\n")
        #expect(Self.answer("info version") == "\n0.1.0\n")
        #expect(
            Self.answer("info network")
                == "\nvirtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\n"
                + " \\ #net004: index=0,type=passt,vhost-user,connected to pid 17969\n")
    }

    @Test(
        "set_link says what QEMU says",
        arguments: [
            ("set_link vn1 off", "\n"), ("set_link vn1 on", "\n"), ("set_link \"vn1\" on  ", "\n"),
            ("set_link nosuch off", "\nError: Device 'nosuch' not found\n"),
            ("set_link vn0 maybe", "\nExpected 'on' or 'off'\nTry \"help set_link\" for more information\n"),
            ("set_link vn0", "\nExpected 'on' or 'off'\nTry \"help set_link\" for more information\n"),
            (
                "set_link \"d0",
                "\nunterminated string\nset_link: string expected\nTry \"help set_link\" for more information\n"
            ),
            (
                "set_link \"d\\q\" on",
                "\nunsupported escape code: '\\q'\nset_link: string expected\n"
                    + "Try \"help set_link\" for more information\n"
            ),
            ("set_link", "\nset_link: string expected\nTry \"help set_link\" for more information\n"),
            (
                "set_link vn1 on more",
                "\nset_link: extraneous characters at the end of line\nTry \"help set_link\" for more information\n"
            ),
            (
                "set_link \"vn1",
                "\nunterminated string\nset_link: string expected\nTry \"help set_link\" for more information\n"
            ),
            ("set_link \"\" on", "\nError: Device '' not found\n"),
        ])
    func setLink(_ line: String, _ answer: String) { #expect(Self.answer(line) == answer) }

    @Test(
        "an argument is read by its type: a list of options is one word, JSON and an object go to the end of the line",
        arguments: [
            (
                "device_add virtio-net-pci,id=d0 more",
                "device_add: extraneous characters at the end of line\nTry \"help device_add\" for more information\n"
            ),
            (
                "netdev_add passt,id=n0,param=a b",
                "netdev_add: extraneous characters at the end of line\nTry \"help netdev_add\" for more information\n"
            ),
            (
                "device_add virtio-net-pci,id=2",
                "netemu: Parameter 'id' expects an identifier\n\(Value.idHint)\n"
                    + "Try \"help device_add\" for more information\n"
            ),
            ("device_add \"virtio-net-pci,id=d0\"", "Error: ?\n"),
            ("device_add {\"driver\": \"virtio-net-pci\", \"id\": \"d0\"}", "Error: ?\n"),
            ("object_add filter-dump,id=f0,netdev=n0,file=/a b", "Error: ?\n"),
            (
                "object_add",
                "object_add: string expected\nTry \"help object_add\" for more information\n"
            ),
            ("info stats vn1", "Error: ?\n"), ("info stats", "Error: ?\n"),
            (
                "info stats vn1 vn2",
                "stats: extraneous characters at the end of line\nTry \"help info stats\" for more information\n"
            ),
        ])
    func types(_ line: String, _ answer: String) { #expect(Self.answer(line) == "\n" + answer) }

    @Test("every command takes the arguments of its own table, and says which one is missing")
    func tables() throws {
        for command in CommandTable.all {
            var arguments = MonitorArguments()
            for parameter in command.parameters {
                #expect(!parameter.shown.isEmpty && arguments.values[parameter.name] == nil)
                if !parameter.isOptional {
                    let error = #expect(throws: EmulationError.self) { try command.init(arguments) }
                    #expect(error?.text == "Parameter '\(parameter.name)' is missing")
                }
                arguments.values[parameter.name] =
                    switch parameter.kind {
                    case .string, .rest: .string("x")
                    case .onOff, .flag: .boolean(true)
                    case .options: .list(KeyValueList(pairs: []))
                    }
            }
            _ = try command.init(arguments)
        }
        var arguments = MonitorArguments()
        arguments.values["name"] = .boolean(true)
        let error = #expect(throws: EmulationError.self) { try SetLink(arguments) }
        #expect(error?.text == "Invalid parameter type for 'name', expected: string")
    }

    @Test(
        "unknown words, help for one, for a table, for all",
        arguments: [
            ("bogus", "\nunknown command: 'bogus'\n"), ("info bogus", "\nunknown command: 'info bogus'\n"),
            ("savevm", "\nsavevm: not supported yet\nTry \"help\" for what works today\n"),
            ("help quit", "\nquit|q  -- quit the emulator\n"), ("? q", "\nquit|q  -- quit the emulator\n"),
            ("help set_link", "\nset_link name on|off -- change the link status of a network adapter\n"),
            ("help info network", "\ninfo network  -- show the network state\n"),
            ("help nosuch", "\nunknown command: 'nosuch'\n"),
            ("help info nosuch", "\nunknown command: 'info nosuch'\n"),
            ("", "\n"), ("   ", "\n"),
        ])
    func help(_ line: String, _ answer: String) { #expect(Self.answer(line) == answer) }

    @Test("help shows every command, info alone shows every item")
    func helpLists() {
        let lines = Self.answer("help").split(separator: "\n").map(String.init)
        #expect(lines.count == CommandTable.words.count)
        #expect(lines.contains("help|? [cmd] -- show the help"))
        #expect(lines.contains("quit|q  -- quit the emulator"))
        #expect(lines == lines.sorted(), "in QEMU's order")
        #expect(Self.answer("info") == Self.answer("help info"))
        #expect(Self.answer("info").contains("info network  -- show the network state\n"))
    }

    @Test("Tab completes commands, items and names")
    func completion() {
        func typed(_ text: String) -> Completion.Candidates {
            Completion.candidates(for: text) { $0 == .clients ? ["vn0", "vn1"] : $0 == .devices ? ["vn0"] : [] }
        }
        #expect(typed("in").matches == ["info"])
        #expect(typed("info n").matches == ["name", "network"])
        #expect(typed("set_link ").matches == ["vn0", "vn1"])
        #expect(typed("set_link vn0 o").matches == ["off", "on"])
        #expect(typed("device_del ").matches == ["vn0"])
        #expect(typed("set_link v").matches == ["vn0", "vn1"])
        #expect(typed("bogus x").matches == [])
        #expect(typed("help q").matches == ["q", "quit"])
        #expect(typed("netdev_add str").matches == ["stream"])
        #expect(typed("netdev_add stream,id=n0,ser").matches == ["stream,id=n0,server="])
        #expect(typed("device_add virtio-net-pci,in").matches.contains("virtio-net-pci,indirect_desc="))
        #expect(typed("object_add filter-dump,fi").matches == ["filter-dump,file="])
        #expect(Completion.commonPrefix(["vn0", "vn1"]) == "vn")
        let session = MonitorSession(target: FakeTarget())
        session.receive(Array("netdev_add stream,ser\ton".utf8))
        #expect(String(decoding: session.takeOutput(), as: UTF8.self).contains("stream,server=on"))
        session.receive([21])
        session.receive(Array("inf\tver\t\n".utf8))
        #expect(String(decoding: session.takeOutput(), as: UTF8.self).hasSuffix("0.1.0\r\n(netemu) "))
    }

    @Test("several candidates stand in columns, sorted, and what they have in common is typed, as readline.c does it")
    func candidates() {
        let session = MonitorSession(target: FakeTarget())
        func typed(_ text: String) -> String {
            session.receive(Array(text.utf8))
            return String(decoding: session.takeOutput(), as: UTF8.self)
        }
        #expect(typed("netd\t") == "netd\r\nnetdev_add  netdev_del  \r\n(netemu) netdev_")
        #expect(typed("\u{15}info n\t") == "\u{1b}[7D\u{1b}[Kinfo n\r\nname      network   \r\n(netemu) info n")
        #expect(
            typed("\u{15}set_link v\t").hasSuffix("\r\nvirtio-net-pci.0  vn1               \r\n(netemu) set_link v"))
        let all = typed("\u{15}\t").split(separator: "\r\n")
        let words = all.dropFirst().dropLast().flatMap { $0.split(separator: " ") }.map(String.init)
        #expect(words == CommandTable.words.flatMap(\.names).sorted(), "every command, every short name")
        #expect(all.dropFirst().dropLast().allSatisfy { $0.count <= 80 })
        #expect(Completion.columns([String(repeating: "x", count: 100)]).count == 1)
    }

    @Test("where nobody types each line is shown once, whole, and without a control sequence")
    func scripted() {
        let session = MonitorSession(target: FakeTarget())
        session.isScripted = true
        session.open()
        for byte in "info vers\tx\u{7f}\u{7f}ion\ninfo sta".utf8 { session.receive([byte]) }
        #expect(
            String(decoding: session.takeOutput(), as: UTF8.self)
                == "netemu 0.1.0 monitor - type 'help' for more information\r\n"
                + "(netemu) info version\r\n0.1.0\r\n(netemu) ")
        session.redraw()
        #expect(session.takeOutput() == [])
    }

    @Test("a command that waits keeps what is typed after it for later, and no other session waits")
    func waiting() {
        let target = FakeTarget()
        let session = MonitorSession(target: target)
        var shown = ""
        session.onOutput = { shown += String(decoding: session.takeOutput(), as: UTF8.self) }
        session.receive(Array("netdev_add passt,id=x\ninfo status\nset_link vn1 off\n".utf8))
        #expect(target.log == ["netdev_add type=passt,id=x"] && session.isWaiting)
        #expect(!String(decoding: session.takeOutput(), as: UTF8.self).hasSuffix("(netemu) "))
        let other = MonitorSession(target: target)
        other.receive(Array("info status\n".utf8))
        #expect(String(decoding: other.takeOutput(), as: UTF8.self).hasSuffix("running\r\n(netemu) "))
        target.waiting[0](EmulationError("Passt exited with code 1"))
        #expect(target.log == ["netdev_add type=passt,id=x", "vn1 false"])
        #expect(shown.contains("Error: Passt exited with code 1\r\n(netemu) i"))
        #expect(shown.hasSuffix("(netemu) "))
        target.waiting[0](EmulationError("twice"))
        #expect(session.takeOutput() == [])
    }

    @Test("a flood of short commands with long answers is answered in pieces, each answer once")
    func flood() {
        let session = MonitorSession(target: FakeTarget())
        session.receive(Array(String(repeating: "?\n", count: 2000).utf8))
        var count = 0
        var answer = session.takeOutput()
        while !answer.isEmpty {
            #expect(answer.count < 2 * MonitorSession.outputLimit)
            count += String(decoding: answer, as: UTF8.self).split(separator: "quit the emulator").count - 1
            if session.isHeldUp { session.goOn() }
            answer = session.takeOutput()
        }
        #expect(count == 2000)
    }

    @Test("the answer to a command whose user has gone is shown to nobody")
    func answerToNobody() {
        let target = FakeTarget()
        let session = MonitorSession(target: target)
        session.receive(Array("netdev_add passt,id=x\nmore".utf8))
        session.forget()
        session.open()
        _ = session.takeOutput()
        target.waiting[0](EmulationError("late"))
        #expect(session.takeOutput() == [])
        session.receive(Array("info status\n".utf8))
        #expect(String(decoding: session.takeOutput(), as: UTF8.self).contains("VM status: running"))
    }

    @Test("nothing that is typed traps")
    func anyBytes() {
        var random = SeededGenerator(seed: 3)
        let session = MonitorSession(target: FakeTarget())
        for _ in 0..<20_000 {
            let byte = UInt8(truncatingIfNeeded: random.next())
            session.receive([byte == UInt8(ascii: "q") ? 27 : byte])
        }
        #expect(!session.takeOutput().isEmpty)
    }
}

@Suite("the multiplexer")
struct MultiplexerTests {
    @Test("Ctrl-A c switches, Ctrl-A Ctrl-A is one, Ctrl-A x exits; the rest is typed")
    func keys() {
        var mux = Multiplexer()
        #expect(mux.add() == 0 && mux.add() == 1)
        #expect(mux.receive("ab".utf8) == [.type([97, 98], to: 0)])
        #expect(mux.receive([97, 1, 1, 98]) == [.type([97, 1, 98], to: 0)])
        #expect(
            mux.receive([97, 1, 99, 98]) == [.type([97], to: 0), .switched(from: 0, to: 1), .type([98], to: 1)])
        #expect(mux.receive([1]) == [])
        #expect(mux.receive([99]) == [.switched(from: 1, to: 0)])
        #expect(mux.receive([1, 120]) == [.show("netemu: Terminated\n\r"), .exit])
        #expect(mux.receive([1, 104]) == [.show(Multiplexer.help), .redraw])
        #expect(mux.receive([1, 113]) == [])
    }

    @Test("of three users each gets the focus in turn, one alone keeps it")
    func turns() {
        var mux = Multiplexer()
        for _ in 0..<3 { _ = mux.add() }
        #expect(mux.receive([1, 99, 1, 99, 1, 99]).count == 3 && mux.focus == 0)
        var lone = Multiplexer()
        _ = lone.add()
        #expect(lone.receive([1, 99]) == [] && lone.focus == 0)
    }
}
