// Words that netemu is called with: argv as its caller gave it, with any bytes, wherever /proc is.

import Glibc
import TestSupport
import Testing

@Suite("arguments")
struct ArgumentTests {
    /// The shell makes bytes that a Swift string cannot hold: `$n` is caf\xe9; `$0` is netemu.
    private func run(_ ground: Ground, _ script: String) throws -> Child {
        let child = try ground.namespace.start(
            ["/bin/sh", "-c", "n=$(printf 'caf\\351'); \(script)", try Peers.built("netemu").require()],
            directory: ground.directory.path, environment: ["XDG_RUNTIME_DIR": ground.runtime, "LC_ALL": "C"])
        _ = try child.wait(seconds: 30)
        return child
    }

    @Test(
        "bytes that are no UTF-8 stay those bytes: captures, scripts, sockets, logs, pid files, the node's files, passt"
    )
    func bytes() throws {
        try withGround(as: .mapped) { ground in
            let child = try run(
                ground,
                """
                mkdir "$n"; cp \(ground.passt) "$n/passt"
                printf 'ip link >got-%s\\n' "$n" >"$n/script"
                "$0" -nic "passt,id=n0,path=$n/passt" -object "filter-dump,id=f0,netdev=n0,file=$n/cap.pcap" \
                  -D "$n/log" -pidfile "$n/pid" -guest "node,script=$n/script" \
                  -chardev "socket,id=c0,path=$n/sock,server=on,wait=off" -mon chardev=c0
                echo "status $?"
                for f in "$n/cap.pcap" "$n/log" "got-$n"; do test -e "$f" && echo there; done
                ls | od -An -c | tr -d ' \\n'
                """)
            #expect(child.output.contains("status 0\nthere\nthere\nthere\n"), "\(child.transcript)")
            #expect(child.output.hasSuffix("caf351\\ngot-caf351\\n"), "\(child.transcript)")
        }
    }

    @Test("an error names the path with the bytes that it has")
    func error() throws {
        try withGround(as: .mapped) { ground in
            let child = try run(
                ground, "\"$0\" -nic none -guest \"node,script=$n/none\" 2>err; grep -c \"$n/none\" err")
            #expect(child.output == "1\n", "\(child.transcript)")
        }
    }

    @Test("without /proc the arguments are the same")
    func withoutProc() throws {
        try withGround(as: .mapped) { ground in
            let child = try run(
                ground,
                """
                exec unshare -m sh -c 'mount -t tmpfs none /proc && "$0" -nic none -guest "node,run=ip link" && \
                ! "$0" -nic none -nosuch' "$0"
                """)
            #expect(child.status == .exited(0) && child.output.contains("1: lo"), "\(child.transcript)")
            #expect(child.errors.contains("netemu: -nosuch: invalid option"), "\(child.transcript)")
        }
    }

    @Test("netemu-repair has its arguments without /proc, too")
    func repairWithoutProc() throws {
        try withGround(as: .mapped) { ground in
            let helper = try Peers.built("netemu-repair").require()
            let child = try run(ground, "exec unshare -m sh -c 'mount -t tmpfs none /proc && exec \(helper) --nosuch'")
            #expect(child.status == .exited(2))
            #expect(child.errors.hasPrefix("netemu-repair: --nosuch: unknown option\n"), "\(child.transcript)")
        }
    }
}
