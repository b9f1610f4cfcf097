//! `claimcheck demo`: the newcomer's first minute. A throw-away database with real orders, a key for every role, and a little life: orders
//! come in and codes are redeemed while one watches. It ends with the process, and everything in it.

use std::{net::SocketAddr, path::Path, time::Duration};

use tokio::time::sleep;

use super::{
    Failure,
    import::{Fields, Legacies, Reading, Rejects, load, mapping},
    print,
    serve::told_to_stop,
};
use crate::{
    config::Config,
    domain::{
        self, Actor, Operation, Request,
        access::{self, Secret},
        account::Reference,
        activation_code::{self, Redeem},
        catalog, once,
        order::{self, Line, Place},
    },
    entity::kind::{ChannelKind, Role},
    id::{ChannelId, PartnerId},
    service::Service,
    store::Db,
    telemetry,
};

const ORDERS: &str = include_str!("demo/orders.csv");
const MAPPING: &str = "external_reference=InvoiceNo,sku=StockCode,product_name=Description,quantity=Quantity,\
                       unit_price=UnitPrice,placed_at=InvoiceDate,assign_to=CustomerID";
/// What is sold while one watches: products of the imported orders.
const SOLD: [&str; 3] = ["85123A", "71053", "22633"];
/// The pause between two signs of life.
const PAUSE: Duration = Duration::from_secs(2);

pub async fn run(mut config: Config) -> Result<(), Failure> {
    let telemetry = telemetry::start(&config)?;
    let directory = tempfile::tempdir()?;
    config.database_url = format!("sqlite:{}", directory.path().join("demo.db").display());
    config.keys = None;
    let mut service = Service::open(config).await?;
    service.listen().await?;
    let (db, actor) = (service.db().clone(), Actor::system("demo"));

    let web = channel(&db, &actor, "web shop", ChannelKind::Direct, None).await?;
    import(&db, &actor).await?;
    let reseller = partner(&db, &actor, "Northwind Gifts").await?;
    let portal = channel(&db, &actor, "northwind portal", ChannelKind::Reseller, Some(reseller)).await?;
    let stop = told_to_stop()?;
    print(&format!("listening on http://{}", service.address()))?;
    welcome(&db, &actor, service.address(), reseller).await?;

    let channels = [web, portal];
    let ended = tokio::select! {
        ended = service.run(stop) => ended.map_err(Failure::from),
        failed = live(&db, &actor, &channels) => failed,
    };
    telemetry.end();
    ended
}

async fn channel(
    db: &Db,
    actor: &Actor,
    name: &str,
    kind: ChannelKind,
    partner_id: Option<PartnerId>,
) -> Result<ChannelId, Failure> {
    let create = catalog::channel::Create { name: name.to_owned(), kind, partner_id };
    Ok(once(db, actor, &create, catalog::channel::create).await?.channel_id)
}

async fn partner(db: &Db, actor: &Actor, name: &str) -> Result<PartnerId, Failure> {
    let create = catalog::partner::Create { name: name.to_owned(), parent_id: None };
    Ok(once(db, actor, &create, catalog::partner::create).await?.partner_id)
}

async fn import(db: &Db, actor: &Actor) -> Result<(), Failure> {
    let map = MAPPING.split(',').map(mapping).collect::<Result<_, _>>().map_err(Failure::Usage)?;
    let mut rejects = Rejects::open(None)?;
    let mut reading = Reading::default();
    reading.csv(Path::new("orders.csv"), ORDERS.as_bytes(), &Fields::new(map)?, &mut rejects)?;
    let legacies = Legacies { channel: "web shop", currency: Some("GBP"), create_products: true };
    load(db, actor, reading, &legacies, &mut rejects).await?;
    Ok(())
}

/// Prints a key for every role, and what to try first.
async fn welcome(db: &Db, actor: &Actor, address: SocketAddr, reseller: PartnerId) -> Result<(), Failure> {
    let roles = [
        (Role::Admin, None, None),
        (Role::Support, None, None),
        (Role::Partner, Some(reseller), None),
        (Role::Provisioner, None, None),
        (Role::Customer, None, Some("17850.0")),
    ];
    let mut admin = String::new();
    for (role, partner_id, account) in roles {
        let secret = Secret::generate()?;
        let create = access::Create {
            name: format!("demo {role}"),
            role,
            partner_id,
            account_reference: account.map(str::to_owned),
            expires_at: None,
            secret,
        };
        once(db, actor, &create, access::create).await?;
        print(&format!("{:12} {}", role.to_string(), create.secret.reveal()))?;
        if role == Role::Admin {
            create.secret.reveal().clone_into(&mut admin);
        }
    }
    print("")?;
    print(&format!("Open http://{address}/console and sign in with the SUPPORT key or the PARTNER one."))?;
    print(&format!("Open http://{address}/graphiql, or ask from a shell:"))?;
    print(&format!(
        "  curl -s http://{address}/graphql -H 'authorization: Bearer {admin}' -H 'content-type: application/json' \\\n    \
         -d '{{\"query\":\"{{ orders(last: 3) {{ nodes {{ externalReference fulfillmentStatus }} }} }}\"}}'"
    ))?;
    print("Orders come in and codes are redeemed every two seconds. Everything is gone when you press Ctrl-C.")
}

/// Places an order and redeems one of its codes, again and again. Ends only by an error.
async fn live(db: &Db, actor: &Actor, channels: &[ChannelId]) -> Result<(), Failure> {
    for (round, channel) in (1..).zip(channels.iter().cycle()) {
        sleep(PAUSE).await;
        let sku = SOLD.get(round % SOLD.len()).copied().unwrap_or("85123A");
        let place = Place {
            channel_id: *channel,
            external_reference: format!("demo-{round}"),
            lines: vec![Line {
                sku: sku.to_owned(),
                quantity: 2,
                unit_price: None,
                recipient: None,
                assign_to: None,
                resource: None,
                input: None,
            }],
            buyer: None,
            buyer_account: None,
            placed_at: None,
            currency: None,
            payment_reference: None,
            request: format!("demo-{round}").into_bytes(),
        };
        let placed = once(db, actor, &place, order::place).await?;
        sleep(PAUSE).await;
        let Some(code) = placed.codes.first().and_then(|issued| issued.code.as_ref()) else { continue };
        let redeem = Redeem {
            code: code.reveal(),
            account: Some(Reference {
                external_reference: format!("visitor-{}", round % 7),
                email: None,
                display_name: None,
            }),
            resource: None,
            input: None,
        };
        let request = Request { mutation: Operation::RedeemCode, key: None, input: Vec::new() };
        let (redeem, request) = (&redeem, &request);
        let redeemed = domain::run(db, actor, request, |mut tx| async move {
            let redeemed = activation_code::redeem(&mut tx, actor, redeem).await?;
            Ok((tx, redeemed))
        });
        redeemed.await?;
    }
    Ok(())
}
