//! `fleetctl query`

use fleet_store::Reader;

use crate::cli::Query;
use crate::failure::Failure;
use crate::printer;

pub(crate) async fn run(arguments: Query) -> Result<(), Failure> {
    let Query { sql, data, output } = arguments;
    let reader = Reader::open(&data.data_dir).await?;
    let mut query = reader.query(&sql).await?;
    let columns = query.columns().to_vec();
    printer::rows(output, &columns, query.rows()).await
}
