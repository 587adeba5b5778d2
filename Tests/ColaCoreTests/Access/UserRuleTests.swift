import ColaCore
import ColaTesting
import Testing

/// Users and virtual hosts, as administrators make and change them.
@Suite(.timeLimit(.minutes(5))) struct UserRuleTests {
    private func answer(_ scene: Scene, _ request: Request, _ channel: ChannelID) -> String {
        scene.broker.send(request, from: channel)
        scene.broker.run()
        switch scene.answers(channel).last {
        case .refused(let code)?: return code
        case nil: return "nothing"
        default: return "ok"
        }
    }

    private func user(_ name: String, isNew: Bool? = nil, tags: [String]? = nil) -> UserChange {
        var change = UserChange(name: name)
        change.isNew = isNew
        change.tags = tags
        return change
    }

    private func attach(_ scene: Scene, _ id: ChannelID, as user: String, to host: String = "/") {
        scene.broker.apply(.attach(id, ChannelInfo(protocolName: "test", host: host, peer: "p", user: user)))
    }

    @Test func theyAreThereAfterARestart() {
        let scene = Scene()
        let channel = scene.attach()
        var ana = user("ana", isNew: true, tags: ["administrator", "night shift"])
        ana.password = .hash(UserDefinition.guest.password!)
        ana.connectionsMax = .most(3)
        var shop = VirtualHostChange()
        shop.text = "Orders"
        shop.tags = ["eu"]
        shop.queuesMax = .most(2)
        for request: Request in [
            .setUser(ana), .declareVirtualHost(name: "shop", shop),
            .setPermission(PermissionDefinition(host: "shop", user: "ana", configure: "^a", write: "", read: ".*")),
            .setTopicPermission(
                TopicPermissionDefinition(host: "shop", user: "ana", exchange: "x", write: "a", read: "b")),
        ] {
            #expect(answer(scene, request, channel) == "ok")
        }
        let before = [Listing.users, .permissions, .topicPermissions, .virtualHosts].map(scene.rows)
        scene.broker.crash()
        let after = [Listing.users, .permissions, .topicPermissions, .virtualHosts].map(scene.rows)
        #expect(before.map { rows in rows.map { $0["name"] } } == after.map { rows in rows.map { $0["name"] } })
        #expect(before[1] == after[1] && before[2] == after[2])
        let found = after[0].first { $0["name"] == .text("ana") }
        #expect(found?["tags"] == .list([.text("administrator"), .text("night shift")]))
        #expect(found?["max-connections"] == .number(3))
        #expect(scene.broker.broker.user(named: "ana")?.password == UserDefinition.guest.password)
        let host = after[3].first { $0["name"] == .text("shop") }
        #expect(host?["description"] == .text("Orders") && host?["max-queues"] == .number(2))
    }

    @Test func connectionsEndWithTheirUserOrVirtualHostWhenThatIsOnTheDisk() {
        let scene = Scene()
        let channel = scene.attach()
        let visitors = [scene.attach(), scene.attach(), scene.attach()]
        for request: Request in [
            .setUser(user("ana")), .setUser(user("eva")), .declareVirtualHost(name: "shop", VirtualHostChange()),
        ] {
            #expect(answer(scene, request, channel) == "ok")
        }
        attach(scene, visitors[0], as: "ana")
        attach(scene, visitors[1], as: "eva", to: "shop")
        attach(scene, visitors[2], as: "ana", to: "shop")
        scene.broker.apply(.detach(visitors[2]))
        var told: [String] = []
        scene.broker.effectListener = { effect in
            switch effect {
            case .dismiss(let id, let dismissal):
                told.append("\(visitors.firstIndex(of: id).map { "\($0)" } ?? "another"): \(dismissal)")
            case .reply(channel, _, _): told.append("answered")
            default: break
            }
        }
        scene.broker.send(.deleteUser(name: "ana"), from: channel)
        #expect(told == [], "it may yet be lost")
        scene.broker.run()
        #expect(answer(scene, .deleteVirtualHost(name: "shop"), channel) == "ok")
        #expect(told == ["answered", "0: user 'ana' is deleted", "answered", "1: vhost 'shop' is deleted"])
    }

    @Test func aGuestComesFromThisMachineUntilSomebodySaysOtherwise() {
        let scene = Scene()
        let channel = scene.attach()
        for name in ["guest", "ana"] {
            #expect(answer(scene, .deleteUser(name: name), channel) == (name == "guest" ? "ok" : "not_found"))
            #expect(answer(scene, .setUser(user(name)), channel) == "ok")
        }
        #expect(scene.broker.broker.user(named: "guest")?.isFromLoopbackOnly == true)
        #expect(scene.broker.broker.user(named: "ana")?.isFromLoopbackOnly == false)
        var anywhere = user("guest")
        anywhere.isFromLoopbackOnly = false
        #expect(answer(scene, .setUser(anywhere), channel) == "ok")
        #expect(answer(scene, .setUser(user("guest")), channel) == "ok")
        #expect(scene.broker.broker.user(named: "guest")?.isFromLoopbackOnly == false)
    }

    @Test func whatAClientCallsItselfIsKeptAsFarAsANameGoes() {
        let info = ChannelInfo(protocolName: "test", peer: "p", user: "u", client: String(repeating: "x", count: 9_000))
        #expect(info.client.utf8.count == 255)
    }

    @Test func nobodyIsCalledAsTheProcessesOfWorkersAre() {
        let scene = Scene()
        let channel = scene.attach()
        #expect(answer(scene, .setUser(user("worker:w")), channel) == "syntax")
        #expect(answer(scene, .setUser(user("worker")), channel) == "ok")
    }

    @Test func aPasswordIsHashedElsewhereAndAnsweredForThen() {
        let scene = Scene()
        let channel = scene.attach()
        var asked: [(RequestID, Secret)] = []
        scene.broker.effectListener = { effect in
            if case .hashPassword(_, let id, let secret) = effect { asked.append((id, secret)) }
        }
        var change = user("ana", isNew: true)
        change.password = .plain(Secret("sesame"))
        scene.broker.send(.setUser(change), from: channel)
        scene.broker.send(.describe(.user("ana")), from: channel)
        scene.broker.run()
        // What comes behind it waits.
        #expect(scene.answers(channel).isEmpty)
        #expect(asked.map(\.1.text) == ["sesame"])
        #expect(!"\(asked) \(change)".contains("sesame"))
        scene.broker.apply(.passwordHashed(channel, asked[0].0, UserDefinition.guest.password))
        scene.broker.run()
        let answers = scene.answers(channel)
        #expect(answers.first == .done)
        #expect(answers.count == 2)
        #expect(scene.broker.broker.user(named: "ana")?.password == UserDefinition.guest.password)
        // Where too many wait.
        scene.broker.send(.setUser(change), from: channel)
        change.isNew = nil
        scene.broker.send(.setUser(change), from: channel)
        scene.broker.apply(.passwordHashed(channel, asked[1].0, nil))
        #expect(scene.answers(channel) == [.refused(code: "in_use"), .refused(code: "busy")])
    }

    @Test func whatIsWrongIsRefusedAndChangesNothing() {
        let scene = Scene()
        let channel = scene.attach()
        let before = scene.rows(.users)
        var empty = user("ana")
        empty.password = .plain(Secret(""))
        let requests: [(Request, String)] = [
            (.setUser(user("guest", isNew: true)), "in_use"), (.setUser(user("ana", isNew: false)), "not_found"),
            (.setUser(user("")), "syntax"), (.setUser(user("a\nb")), "syntax"), (.setUser(empty), "syntax"),
            (.setUser(user("ana", tags: ["a,b"])), "syntax"), (.setUser(user("ana", tags: ["a", "a"])), "syntax"),
            (.deleteUser(name: "ana"), "not_found"),
            (.setPermission(.all(of: "ana", in: "/")), "not_found"),
            (.setPermission(.all(of: "guest", in: "none")), "not_found"),
            (
                .setPermission(PermissionDefinition(user: "guest", configure: "(", write: "", read: "")), "syntax"
            ),
            (
                .setTopicPermission(
                    TopicPermissionDefinition(user: "guest", exchange: "x", write: "{username}(", read: "")), "syntax"
            ),
            (.clearTopicPermission(user: "guest", host: "/", exchange: "x"), "not_found"),
        ]
        for (request, code) in requests { #expect(answer(scene, request, channel) == code, "\(request)") }
        #expect(scene.rows(.users) == before)
        #expect(scene.rows(.permissions).count == 1)
    }

    @Test func theUserOfTheSettingsTakesThePlaceOfTheGuestAndOfNobodyElse() {
        let scene = Scene()
        #expect(scene.broker.broker.hasGuestAlone)
        scene.broker.broker.begin(with: UserDefinition(name: "ana", tags: ["administrator"]))
        scene.broker.run()
        #expect(!scene.broker.broker.hasGuestAlone)
        #expect(scene.rows(.permissions).map { $0["user"] } == [.text("ana")])
        scene.broker.crash()
        #expect(scene.broker.broker.user(named: "guest") == nil)
        #expect(scene.broker.broker.user(named: "ana") != nil)
        // A guest who was given away does not come back.
        let other = Scene()
        #expect(answer(other, .deleteUser(name: "guest"), other.attach()) == "ok")
        other.broker.crash()
        #expect(!other.broker.broker.hasGuestAlone)
    }

    @Test func limitsAreThoseOfTheUserAndTheVirtualHost() {
        let scene = Scene()
        let channel = scene.attach()
        var ana = user("ana")
        ana.connectionsMax = .most(2)
        ana.channelsMax = .most(1)
        var change = VirtualHostChange()
        change.connectionsMax = .most(1)
        change.queuesMax = .most(1)
        for request: Request in [
            .setUser(ana), .declareVirtualHost(name: "v", change), .setPermission(.all(of: "ana", in: "/")),
            .setPermission(.all(of: "ana", in: "v")),
        ] {
            #expect(answer(scene, request, channel) == "ok")
        }
        let connections = (500..<504).map { ChannelID($0) }
        attach(scene, connections[0], as: "ana", to: "v")
        attach(scene, connections[1], as: "ana", to: "v")
        #expect(answer(scene, .enter, connections[0]) == "ok")
        #expect(answer(scene, .enter, connections[1]) == "limit")
        attach(scene, connections[2], as: "ana")
        attach(scene, connections[3], as: "ana")
        #expect(answer(scene, .enter, connections[2]) == "ok")
        #expect(answer(scene, .enter, connections[3]) == "limit")
        // One that ends makes room.
        scene.broker.detach(connections[0])
        #expect(answer(scene, .enter, connections[3]) == "ok")
        let parts = [1, 2].map { ChannelID(of: connections[2], number: $0, incarnation: 0) }
        attach(scene, parts[0], as: "ana")
        #expect(answer(scene, .enter, parts[0]) == "ok")
        attach(scene, parts[1], as: "ana")
        #expect(answer(scene, .enter, parts[1]) == "limit")
        // Queues and topics of the virtual host.
        attach(scene, connections[0], as: "ana", to: "v")
        #expect(answer(scene, .declareQueue(QueueDeclaration(name: "q")), connections[0]) == "ok")
        #expect(answer(scene, .declareQueue(QueueDeclaration(name: "q")), connections[0]) == "ok")
        #expect(answer(scene, .declareTopic(name: "t", partitions: 1, Arguments()), connections[0]) == "limit")
    }

    @Test func aVirtualHostTakesItsPermissionsAlong() {
        let scene = Scene()
        let channel = scene.attach()
        for request: Request in [
            .declareVirtualHost(name: "v"), .setPermission(.all(of: "guest", in: "v")), .deleteVirtualHost(name: "v"),
            .declareVirtualHost(name: "v"),
        ] {
            #expect(answer(scene, request, channel) == "ok")
        }
        scene.broker.crash()
        #expect(scene.rows(.permissions).map { $0["vhost"] } == [.text("/")])
    }

    @Test func aHashIsReadAsItWasWritten() {
        for algorithm in PasswordHash.Algorithm.allCases {
            let hash = PasswordHash(
                algorithm, rounds: algorithm == .pbkdf2 ? 600_000 : 1, salt: [0, 1, 254, 255],
                hash: (0..<algorithm.byteCount).map { UInt8($0) })
            #expect(PasswordHash(text: hash.text) == hash)
            #expect(!"\(hash)".contains("fe"))
        }
        for text in [
            "", "guest", "rabbitmq-sha256:00", "rabbitmq-sha256:00:00", "pbkdf2-sha256:0:00:00",
            UserDefinition.guest.password!.text + "0", UserDefinition.guest.password!.text + ":", "md4:00:00",
        ] {
            #expect(PasswordHash(text: text) == nil, "\(text)")
        }
    }
}
