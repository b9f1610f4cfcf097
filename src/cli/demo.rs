//! `claimcheck demo`: the newcomer's first minute. A throw-away database with real orders, a key for every role, and a little life: orders
//! come in, codes are redeemed, and now and then something goes wrong while one watches. It ends with the process, and everything in it.

mod life;

use std::{net::SocketAddr, path::Path};

use super::{
    Failure,
    import::{Fields, Legacies, Reading, Rejects, load, mapping},
    print,
    serve::told_to_stop,
};
use crate::{
    config::Config,
    domain::{
        Actor,
        access::{self, Secret},
        catalog, once,
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
    let life = life::Life { db: &db, actor: &actor, channels: [web, portal] };
    life.begin().await?;
    let stop = told_to_stop()?;
    print(&format!("listening on http://{}", service.address()))?;
    if let Some(address) = service.metrics_address() {
        print(&format!("metrics at http://{address}/metrics"))?;
    }
    welcome(&db, &actor, service.address(), reseller).await?;

    let ended = tokio::select! {
        ended = service.run(stop) => ended.map_err(Failure::from),
        failed = life.goes_on() => failed,
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
    print(
        "Orders come in, codes are redeemed, and now and then one is refused. Everything is gone when you press Ctrl-C.",
    )
}
