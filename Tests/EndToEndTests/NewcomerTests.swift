// What stands in the way of somebody's first lines: streams, time, words, files. Each line as a shell gets it.

import Glibc
import TestSupport
import Testing

@Suite("a newcomer's first lines")
struct NewcomerTests {
    private static let none = "netemu -nic none"

    @Test("what a script's tools complain of is on standard error, in order, also of run=, script= and a pipe")
    func complaints() throws {
        try withGround(as: .mapped) { ground in
            let script = "echo a; nosuch; echo b; ping -c 1 x.invalid; echo c"
            for line in [
                "\(Self.none) -guest node,run='\(script)'", "echo '\(script)' | \(Self.none)",
                "echo '\(script)' | \(Self.none) -guest node,script=/dev/stdin",
            ] {
                let child = try ground.shell(line)
                #expect(child.status == .exited(0) && child.output == "a\nb\nc\n", "\(child.transcript)")
                let lines = child.errors.split(separator: "\n")
                #expect(lines.count == 2 && lines[0] == "sh: nosuch: command not found", "\(child.transcript)")
                #expect(lines.last?.hasPrefix("ping: x.invalid: ") == true, "\(child.transcript)")
                let both = try ground.shell("{ \(line); } 2>&1")
                let order = both.output.split(separator: "\n").map { $0.prefix(5) }
                #expect(order == ["a", "sh: n", "b", "ping:", "c"], "\(both.transcript)")
            }
            let quoted = try ground.shell("printf 'echo \\047a\\nb\\047 &&\\necho c\\n' | \(Self.none)")
            #expect(quoted.status == .exited(0) && quoted.output == "a\nb\nc\n", "\(quoted.transcript)")
        }
    }

    @Test("timeout= counts from the start: for a script that never comes, and for a guest that is never started")
    func timeout() throws {
        try withGround(as: .mapped) { ground in
            let told = "netemu: the script's time is over: it was ended\n"
            let silent = try ground.shell(
                "mkfifo f; exec 3<>f; \(Self.none) -guest node,script=/dev/stdin,timeout=1 <f")
            #expect(silent.status == .exited(124) && silent.errors == told, "\(silent.transcript)")
            let stopped = try ground.shell("\(Self.none) -S -guest node,run='echo no',timeout=1")
            #expect(stopped.status == .exited(124) && stopped.output == "", "\(stopped.transcript)")
            #expect(stopped.errors.contains("-S: warning: the guest will never run") && stopped.errors.hasSuffix(told))
            let endless = try ground.shell("\(Self.none) -S -guest node,run='echo no'")
            #expect(endless.status == .exited(125), "\(endless.transcript)")
            #expect(endless.errors.hasPrefix("netemu: -S: the guest will never run"), "\(endless.transcript)")
        }
    }

    @Test("something at standard input that nobody reads is told, and nothing else about it")
    func unread() throws {
        try withGround(as: .mapped) { ground in
            let told = "nobody reads standard input, and something is there: -monitor stdio or -serial stdio would"
            for (input, isTold) in [
                ("echo x |", true), ("</etc/hostname", true), ("sleep 1 |", false), ("</dev/null", false),
            ] {
                let place = input.hasSuffix("|") ? (input, "") : ("", input)
                let line = "\(place.0) timeout -s TERM 1 \(Self.none) -monitor none \(place.1)"
                let child = try ground.shell(line)
                #expect(child.errors.contains(told) == isTold, "\(child.transcript)")
            }
            let task = try ground.shell("echo x | \(Self.none) -guest node,run='echo a'")
            #expect(task.output == "a\n" && task.errors == "", "\(task.transcript)")
        }
    }

    @Test("curl -i gives a pipe the bytes of a head as the server sent them")
    func includedHead() throws {
        try withGround(as: .mapped) { ground in
            let server = """
                import socket
                door = socket.socket()
                door.bind(("127.0.0.1", 8123))
                door.listen()
                print("listening", flush=True)
                client = door.accept()[0]
                client.recv(4096)
                client.sendall(b"HTTP/1.0 200 OK\\r\\nA: \\x1b[2J\\r\\n\\r\\nhi")
                """
            let python = try ground.namespace.start(["/usr/bin/python3", "-c", server])
            try python.wait(for: "listening")
            let child = try ground.shell(
                "netemu -nic passt,path=$PASST -guest node,run='curl -s -i http://\(gateway):8123/'")
            #expect(
                child.output == "HTTP/1.0 200 OK\r\nA: \u{1b}[2J\r\n\r\nhi", "\(child.transcript)")
        }
    }

    @Test("files of param= are meant as seen from netemu's directory, and are there afterwards")
    func passtFiles() throws {
        try withGround(as: .mapped) { ground in
            let child = try ground.shell(
                "netemu -nic passt,path=$PASST,param=--pcap,param=guest.pcap,param=--log-file=passt.log "
                    + "-guest node,run='ip -br addr' && test -s guest.pcap && test -s passt.log && echo kept")
            #expect(child.status == .exited(0) && child.output.hasSuffix("kept\n"), "\(child.transcript)")
        }
    }

    @Test("a monitor of an object serves whoever is at its device, also when it removes itself")
    func monitorObject() throws {
        try withGround(as: .mapped) { ground in
            let (first, second) = (ground.directory.path + "/m", ground.directory.path + "/n")
            let netemu = try ground.start(["-nodefaults", "-monitor", "unix:\(first),server=on,wait=off"])
            let client = try UnixClient(path: first)
            _ = try client.ask(
                "chardev-add socket,id=c,path=\(second),server=on,wait=off", until: "wait=off\n(netemu) ")
            for _ in 0..<2 {
                _ = try client.ask("object_add monitor-hmp,id=m,chardev=c", until: "chardev=c\n(netemu) ")
                let other = try UnixClient(path: second)
                #expect(try other.ask("info version", until: "0.1.0\n(netemu) ").contains("netemu 0.1.0 monitor"))
                _ = try other.ask("object_del m", until: "object_del m\n(netemu) ")
            }
            client.write("quit\n")
            #expect(try netemu.wait() == .exited(0), "\(netemu.transcript)")
        }
    }

    @Test("a monitor answers all that was typed before a client half-closed; a line without an end is none")
    func halfClosed() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/m"
            let netemu = try ground.start([
                "-nic", "passt,id=p,path={passt}", "-monitor", "unix:\(path),server=on,wait=off",
            ])
            let client = try UnixClient(path: path)
            client.write(
                "netdev_add passt,id=n0,path=\(ground.passt)\n" + String(repeating: "info status\n", count: 500)
                    + "info network\ninfo version\nstop")
            client.finishWriting()
            let text = try client.readToEnd()
            #expect(text.split(separator: "\n").filter { $0.hasPrefix("VM status: ") }.count == 500, "\(text)")
            #expect(text.contains("n0: index=0,type=passt,") && text.contains("\n0.1.0\n"), "\(text)")
            let next = try UnixClient(path: path)
            _ = try next.ask("info status", until: "VM status: running")
            next.write("quit\n")
            #expect(try netemu.wait() == .exited(0), "\(netemu.transcript)")
        }
    }
}
